//! `image info`

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Result;
use disk_image::description::{DiskDescription, PartitionDescription};
use serde_json::json;

use super::Image;
use crate::channel::Link;
use crate::cli::ImageInfoArgs;
use crate::commands::{Context, refer};
use crate::failure::Outcome;
use crate::output::Shape;
use crate::output::format::{line, size};
use crate::output::table::{Side, Table};

pub async fn run(context: &Context, link: &Link, args: &ImageInfoArgs) -> Result<Outcome> {
    let reference = refer::resolve_image(link, &args.backup).await?;
    let image = Image::open(link, reference).await?;
    let console = context.console();
    let disks = synthetic_disks(&image);
    if args.output.shape() == Shape::Json {
        console.json(&json!({
            "image": image.name,
            "disks": image.disks,
            "synthetic_disks": disks,
        }))?;
    } else {
        for disk in &image.disks {
            console.result(&disk_text(disk))?;
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

fn disk_text(disk: &DiskDescription) -> String {
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
    ]);
    for partition in &disk.partitions {
        rows.row(row(partition));
    }
    text.push_str(&rows.render());
    text
}

fn row(partition: &PartitionDescription) -> [String; 7] {
    let Some(volume) = &partition.volume else {
        return [
            format!("({})", partition.number),
            size(partition.start_bytes),
            size(partition.len_bytes),
            "-".into(),
            "not in the backup".into(),
            line(&partition.label),
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
    ]
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
