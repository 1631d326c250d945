//! Synthetic disks: whole virtual disks, put together from table and volumes by sharing their extents.
//!
//! They are derived: what fails here is told, and the image is as good without.

use std::fs::File;

use disk_image::description::{DiskDescription, DiskFiles};
use disk_image::synthetic::{Assembled, Format, assemble as assemble_disk, vmdk_descriptor};
use serde_json::json;
use storage::{BackendKind, BackupTree, ImageIngest, VolumeFormat};
use tracing::{info, warn};
use wire::v1::{LogLine, log_line};

use super::choice::ImageChoice;
use super::description::description_in;
use super::session::Disk;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::LiveJob;
use crate::storages::OpenStorage;

/// What tells of all synthetic disks of an image.
const RECORD: &str = "synthetic.json";
/// The kind of the problems that synthetic disks have.
const PROBLEM: &str = "synthetic disk";

/// Who hears of what is assembled, and of what can't be.
pub trait Audience {
    /// Hears what was done.
    fn log(&self, text: String);
    /// Hears what could not be done.
    fn problem(&self, problem: manifest::Problem);
}

/// Assembles the synthetic disks that the settings ask for an image of this client in this storage.
pub fn assemble(
    core: &Core,
    (client, storage): (&str, &OpenStorage),
    ingest: &ImageIngest,
    disks: &[Disk],
    audience: &dyn Audience,
) {
    if storage.store.backend() == BackendKind::Hardlink || ingest.volume_format() != VolumeFormat::Raw {
        // Nothing could be shared: each would be a copy of the whole disk.
        return;
    }
    let formats = ImageChoice::of(&core.policies.of(client)).synthetic_disks;
    let mut made = Vec::new();
    for disk in disks {
        for &format in &formats {
            let name = file_name(&disk.name, format);
            match assemble_one(core, ingest, disk, format, &name) {
                Ok(done) => {
                    tell(audience, &name, &done);
                    made.push(json!({
                        "file": name,
                        "format": format.to_string(),
                        "shared_bytes": done.shared_bytes,
                        "copied_bytes": done.copied_bytes,
                        "structure_bytes": done.structure_bytes,
                    }));
                }
                Err(error) => give_up(audience, ingest, &name, &error),
            }
        }
    }
    if !made.is_empty()
        && let Err(error) = write_record(ingest, &made)
    {
        give_up(audience, ingest, RECORD, &error);
    }
}

/// Assembles the synthetic disks of an image that is being copied, as the settings say now.
pub fn assemble_derived(
    core: &Core,
    place: (&str, &OpenStorage),
    ingest: &ImageIngest,
    image: &BackupTree,
    job: &LiveJob,
) -> Result<()> {
    let mut disks = Vec::new();
    for record in image.manifest().records() {
        let record = record?;
        let Some(description) = description_in(image, &record.path)? else {
            continue;
        };
        disks.push(Disk {
            name: String::from_utf8_lossy(&record.path).into_owned(),
            description,
        });
    }
    assemble(core, place, ingest, &disks, job);
    Ok(())
}

impl Audience for LiveJob {
    fn log(&self, text: String) {
        self.log(LogLine {
            text,
            ..LogLine::default()
        });
    }

    fn problem(&self, problem: manifest::Problem) {
        self.log(LogLine {
            level: log_line::Level::Warning.into(),
            text: format!("{}: {}", String::from_utf8_lossy(&problem.path), problem.message),
        });
    }
}

/// The name of a disk's file in a format.
fn file_name(disk: &str, format: Format) -> String {
    let form = match format {
        Format::VhdFixed => "-fixed",
        Format::VmdkFlat => "-flat",
        _ => "",
    };
    format!("{disk}{form}.{}", format.extension())
}

fn assemble_one(
    core: &Core,
    ingest: &ImageIngest,
    disk: &Disk,
    format: Format,
    name: &str,
) -> Result<Assembled> {
    let description = DiskDescription::parse(&disk.description).map_err(Error::Disk)?;
    let files = DiskFiles::open(&description, |file| {
        let path = format!("{}/{file}", disk.name);
        ingest.read_volume(path.as_bytes()).map(Some).map_err(Error::from)
    })?;
    let made_secs = core.clock.now().as_second().unsigned_abs();
    let virtual_disk = files
        .disk(&description, format, uuid::Uuid::new_v4(), made_secs)
        .map_err(Error::Disk)?;
    let plan = format.plan(&virtual_disk).map_err(Error::Disk)?;
    let out = ingest.create_derived(name)?;
    let done = assemble_disk(&plan, &files.parts(&description), &out).map_err(Error::Disk)?;
    if format == Format::VmdkFlat {
        let descriptor = vmdk_descriptor(&virtual_disk, name);
        write(
            ingest.create_derived(&format!("{}.vmdk", disk.name))?,
            descriptor.as_bytes(),
        )?;
    }
    Ok(done)
}

fn write(mut file: File, bytes: &[u8]) -> Result<()> {
    std::io::Write::write_all(&mut file, bytes).map_err(|source| Error::Io {
        action: "write",
        path: "a synthetic disk".into(),
        source,
    })
}

fn write_record(ingest: &ImageIngest, made: &[serde_json::Value]) -> Result<()> {
    let text = format!("{:#}\n", json!({ "format": 1, "disks": made }));
    write(ingest.create_derived(RECORD)?, text.as_bytes())
}

fn tell(audience: &dyn Audience, name: &str, done: &Assembled) {
    let Assembled {
        shared_bytes,
        copied_bytes,
        structure_bytes,
    } = *done;
    info!(
        name,
        shared_bytes, copied_bytes, structure_bytes, "synthetic disk assembled"
    );
    audience.log(format!(
        "{name} is assembled: {shared_bytes} bytes are shared with the volumes, {copied_bytes} had to be copied, \
         {structure_bytes} are its own"
    ));
}

fn give_up(audience: &dyn Audience, ingest: &ImageIngest, name: &str, error: &Error) {
    warn!(
        name,
        error = error.chain(),
        "a synthetic disk could not be assembled"
    );
    if let Err(error) = ingest.remove_derived(name) {
        warn!(name, %error, "what there is of it stays");
    }
    audience.problem(manifest::Problem {
        path: name.as_bytes().into(),
        kind: PROBLEM.to_owned(),
        message: error.chain(),
    });
}
