//! `image export`

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use disk_image::description::{DiskDescription, DiskFiles};
use disk_image::restore::{self, Differences, InUse, Plan, Target, Wish};
use disk_image::synthetic::{
    Assembled, Content, Disk, Format, Part, add_data, assemble_watched, vmdk_descriptor,
};
use serde_json::json;

use super::work::{Work, watched};
use super::{Image, stem};
use crate::channel::Link;
use crate::cli::ExportArgs;
use crate::commands::{Context, refer};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Shape;
use crate::output::format::size;

pub async fn run(context: &Context, link: &Link, args: &ExportArgs) -> Result<Outcome> {
    let format = format_of(args)?;
    if args.to.exists() {
        return Err(Failure::Usage(format!("{} is there already", args.to.display())).into());
    }
    let reference = refer::resolve_image(link, &args.place.backup).await?;
    let mut image = Image::open(link, reference).await?;
    let (disk, wish) = wanted(&image, args)?;
    let interrupt = Interrupt::listen()?;
    let console = context.console();
    let made = watched(console, &interrupt, |work| {
        let made = export(&mut image, &disk, &wish, format, &args.to, work);
        if made.is_err() {
            // Half a disk is of no use to anybody.
            let _ = fs::remove_file(&args.to);
        }
        made
    });
    image.close().await;
    let made = made.with_context(|| format!("can't export to {}", args.to.display()))?;
    match args.output.shape() {
        Shape::Json => console.json(&json!({
            "path": args.to.display().to_string(),
            "format": format.to_string(),
            "shared_bytes": made.shared_bytes,
            "copied_bytes": made.copied_bytes,
            "structure_bytes": made.structure_bytes,
        }))?,
        Shape::Human => console.result(&format!(
            "{}: {} are shared with the backup, {} were copied\n",
            args.to.display(),
            size(made.shared_bytes),
            size(made.copied_bytes + made.structure_bytes)
        ))?,
    }
    Ok(Outcome::Done)
}

fn format_of(args: &ExportArgs) -> Result<Format> {
    if let Some(format) = args.format {
        return Ok(format);
    }
    let extension = args.to.extension().and_then(|extension| extension.to_str());
    let format = match extension {
        Some("img") => Some(Format::Raw),
        Some(extension) => extension.parse().ok(),
        None => None,
    };
    format.ok_or_else(|| {
        let text = "say which format: --format raw, vhd, vhd-fixed, vhdx, qcow2 or vmdk";
        Failure::Usage(text.into()).into()
    })
}

fn wanted(image: &Image, args: &ExportArgs) -> Result<(DiskDescription, Wish)> {
    let (disk, volume) = image.find(&args.place.path)?;
    let wish = match volume {
        Some(volume) => Wish::Volume(volume.file.clone()),
        None => Wish::Disk((!args.volumes.is_empty()).then(|| args.volumes.clone())),
    };
    Ok((disk.clone(), wish))
}

fn export(
    image: &mut Image,
    disk: &DiskDescription,
    wish: &Wish,
    format: Format,
    to: &Path,
    work: &Work,
) -> Result<Assembled> {
    match image.raw_location(disk) {
        Some(dir) => export_from(&dir, disk, wish, format, to, work),
        None => {
            // From a server, or out of a chain, content comes in order, and a virtual disk needs to know in advance where there is some.
            let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
            let dir = tempfile::Builder::new()
                .prefix(".perennial-export-")
                .tempdir_in(parent.unwrap_or(Path::new(".")))?;
            fetch(image, disk, wish, dir.path(), work)?;
            export_from(dir.path(), disk, wish, format, to, work)
        }
    }
}

/// Brings the files of a disk here.
fn fetch(image: &mut Image, disk: &DiskDescription, wish: &Wish, dir: &Path, work: &Work) -> Result<()> {
    let mut files: Vec<(String, u64)> = disk
        .volumes()
        .filter(|(_, volume)| is_wanted(wish, &volume.file))
        .map(|(partition, volume)| (volume.file.clone(), partition.len_bytes))
        .collect();
    if disk.has_table() && matches!(wish, Wish::Disk(_)) {
        files.push((
            disk_image::description::TABLE_FILE_NAME.to_owned(),
            disk.len_bytes,
        ));
    }
    work.begin("fetching", files.iter().map(|(_, len)| len).sum());
    for (file, len_bytes) in files {
        let target = Target::open(&dir.join(&file), InUse::Refuse)?;
        let plan = Plan {
            table: Vec::new(),
            places: vec![restore::Place {
                file: file.clone(),
                range: 0..len_bytes,
            }],
            needed_bytes: len_bytes,
            file_len_bytes: len_bytes,
        };
        restore::restore(
            &plan,
            &mut image.content(&disk.name),
            &target,
            Differences::Ignore,
            work,
        )?;
    }
    Ok(())
}

fn is_wanted(wish: &Wish, file: &str) -> bool {
    match wish {
        Wish::Volume(volume) => volume == file,
        Wish::Disk(None) => true,
        Wish::Disk(Some(volumes)) => volumes
            .iter()
            .any(|volume| volume == file || volume == stem(file)),
    }
}

fn export_from(
    dir: &Path,
    disk: &DiskDescription,
    wish: &Wish,
    format: Format,
    to: &Path,
    work: &Work,
) -> Result<Assembled> {
    let open = |file: &str| -> Result<File> {
        let path = dir.join(file);
        File::open(&path).with_context(|| format!("can't open {}", path.display()))
    };
    if let Wish::Volume(volume) = wish {
        let file = open(volume)?;
        let len_bytes = file.metadata()?.len();
        let mut data = Vec::new();
        add_data(
            &file,
            0,
            &(0..len_bytes),
            format.grain_bytes(len_bytes),
            &mut data,
        )?;
        let parts = [Part {
            range: 0..len_bytes,
            content: Content::File {
                file: &file,
                offset_bytes: 0,
            },
        }];
        let virtual_disk = new_disk(len_bytes, data);
        return assemble(&virtual_disk, &parts, format, to, work);
    }
    let Wish::Disk(volumes) = wish else {
        unreachable!("the other wish has returned")
    };
    for name in volumes.iter().flatten() {
        // Says which volumes there are.
        disk.volumes()
            .find(|(_, volume)| volume.file == *name || stem(&volume.file) == *name)
            .ok_or_else(|| anyhow!("{} has no volume {name}", disk.name))?;
    }
    let files = DiskFiles::open(disk, |file| {
        let is_table = file == disk_image::description::TABLE_FILE_NAME;
        match is_table || is_wanted(wish, file) {
            true => open(file).map(Some),
            false => Ok(None),
        }
    })?;
    let described = files.disk(disk, format, uuid::Uuid::new_v4(), now_secs())?;
    assemble(&described, &files.parts(disk), format, to, work)
}

/// A virtual disk that is made now.
pub fn new_disk(len_bytes: u64, data: Vec<std::ops::Range<u64>>) -> Disk {
    Disk {
        len_bytes,
        data,
        id: uuid::Uuid::new_v4(),
        made_secs: now_secs(),
    }
}

fn now_secs() -> u64 {
    jiff::Timestamp::now().as_second().unsigned_abs()
}

fn assemble(disk: &Disk, parts: &[Part<'_>], format: Format, to: &Path, work: &Work) -> Result<Assembled> {
    let plan = format.plan(disk)?;
    work.begin("exporting", disk.len_bytes);
    let (content, descriptor) = match format {
        Format::VmdkFlat => (flat_file(to), Some(to)),
        _ => (to.to_owned(), None),
    };
    let file = File::create_new(&content).with_context(|| format!("can't create {}", content.display()))?;
    let made = assemble_watched(&plan, parts, &file, work)?;
    if made.shared_bytes == 0 {
        // What was copied to another file system may be taken away at once; what is shared stays where the image is.
        file.sync_all()?;
    }
    if let Some(path) = descriptor {
        let name = content.file_name().unwrap_or_default().to_string_lossy();
        fs::write(path, vmdk_descriptor(disk, &name))?;
    }
    Ok(made)
}

/// The file beside a descriptor that has the content.
fn flat_file(descriptor: &Path) -> PathBuf {
    let stem = descriptor.file_stem().unwrap_or_default().to_string_lossy();
    descriptor.with_file_name(format!("{stem}-flat.vmdk"))
}
