//! `image info`

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Result;
use disk_image::description::{DiskDescription, PartitionDescription};
use serde::Serialize;
use serde_json::json;

use super::Image;
use crate::channel::Link;
use crate::cli::ImageInfoArgs;
use crate::commands::{Context, refer};
use crate::failure::Outcome;
use crate::output::format::{line, size};
use crate::output::table::{Side, Table};
use crate::output::{Console, Shape};

pub async fn run(context: &Context, link: &Link, args: &ImageInfoArgs) -> Result<Outcome> {
    let reference = refer::resolve_image(link, &args.backup).await?;
    let image = Image::open(link, reference).await?;
    let console = context.console();
    let disks = synthetic_disks(&image);
    let kept = tokio::task::block_in_place(|| kept(&image, console));
    if args.output.shape() == Shape::Json {
        console.json(&json!({
            "image": image.name,
            "disks": image.disks,
            "kept": kept.iter().map(|(path, kept)| (path.clone(), json!(kept))).collect::<serde_json::Map<_, _>>(),
            "synthetic_disks": disks,
        }))?;
    } else {
        for disk in &image.disks {
            console.result(&disk_text(disk, &kept))?;
        }
        for disk in disks {
            console.result(&format!(
                "Synthetic disk: {}\n",
                disk["path"].as_str().unwrap_or_default()
            ))?;
        }
    }
    image.close().await;
    Ok(Outcome::Done)
}

fn disk_text(disk: &DiskDescription, kept: &BTreeMap<String, Kept>) -> String {
    let table = match disk.table.kind.as_str() {
        "none" => "no partition table".to_owned(),
        "hybrid" => format!("GPT with a hybrid MBR, {}", disk.table.id),
        kind => format!("{}, {}", kind.to_uppercase(), disk.table.id),
    };
    let mut text = format!(
        "Disk {}: {}, {table} (from {})\n",
        line(&disk.name),
        size(disk.len_bytes),
        line(&disk.path)
    );
    for warning in &disk.table.warnings {
        text.push_str(&format!("  Warning: {}\n", line(warning)));
    }
    let mut rows = Table::new(&[
        ("VOLUME", Side::Left),
        ("START", Side::Right),
        ("SIZE", Side::Right),
        ("USED", Side::Right),
        ("FILE SYSTEM", Side::Left),
        ("LABEL", Side::Left),
        ("HELD STILL", Side::Left),
        ("KEPT AS", Side::Left),
    ]);
    for partition in &disk.partitions {
        let file = partition.volume.as_ref().map(|volume| &volume.file);
        let kept = file.and_then(|file| kept.get(&format!("{}/{}", disk.name, super::stem(file))));
        rows.row(row(partition, kept));
    }
    text.push_str(&rows.render());
    text
}

fn row(partition: &PartitionDescription, kept: Option<&Kept>) -> [String; 8] {
    let Some(volume) = &partition.volume else {
        return [
            format!("({})", partition.number),
            size(partition.start_bytes),
            size(partition.len_bytes),
            "-".into(),
            "not in the backup".into(),
            line(&partition.label),
            "-".into(),
            "-".into(),
        ];
    };
    let label = if volume.label.is_empty() {
        &partition.label
    } else {
        &volume.label
    };
    [
        line(super::stem(&volume.file)),
        size(partition.start_bytes),
        size(partition.len_bytes),
        size(volume.used_bytes),
        line(&volume.file_system),
        line(label),
        line(&volume.consistency),
        match kept {
            None => "-".into(),
            Some(Kept { format, parent: None }) => format.clone(),
            Some(Kept {
                format,
                parent: Some(parent),
            }) => format!("{format} on {}", line(parent)),
        },
    ]
}

/// What a volume is kept in.
#[derive(Serialize)]
struct Kept {
    format: String,
    /// The image whose file has what is not in this one's.
    parent: Option<String>,
}

/// Nothing is known of that away from the server.
#[cfg(not(feature = "server"))]
fn kept(_: &Image, _: &Console) -> BTreeMap<String, Kept> {
    BTreeMap::new()
}

/// What the volumes are kept in, by DISK/VOLUME, where that is on this machine. One that can't be opened is told and left out.
#[cfg(feature = "server")]
fn kept(image: &Image, console: &Console) -> BTreeMap<String, Kept> {
    let mut kept = BTreeMap::new();
    let Some(location) = image.location() else {
        return kept;
    };
    for disk in &image.disks {
        for (_, volume) in disk.volumes() {
            let reader = match super::open_part(location, disk, &volume.file) {
                Ok(reader) => reader,
                Err(error) => {
                    console.note(&format!("warning: {}", line(&format!("{error:#}"))));
                    continue;
                }
            };
            let found = Kept {
                format: reader.format().to_string(),
                parent: reader.parent(),
            };
            kept.insert(format!("{}/{}", disk.name, super::stem(&volume.file)), found);
        }
    }
    kept
}

/// What was assembled with the image, as its record says, where that is on this machine.
fn synthetic_disks(image: &Image) -> Vec<serde_json::Value> {
    let Some(location) = image.location() else {
        return Vec::new();
    };
    let record = fs::read(location.join("synthetic.json")).unwrap_or_default();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
    let disks = record["disks"].as_array().cloned().unwrap_or_default();
    let with_place = |mut disk: serde_json::Value| {
        let path = location.join(disk["file"].as_str()?);
        let len = fs::metadata(&path).ok()?.size();
        disk["path"] = json!(path.display().to_string());
        disk["len_bytes"] = json!(len);
        Some(disk)
    };
    disks.into_iter().filter_map(with_place).collect()
}
