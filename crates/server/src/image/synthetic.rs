//! Synthetic disks: whole virtual disks, put together from table and volumes by sharing their extents.
//!
//! They are derived: what fails here is told, and the image is as good without.

use std::fs::File;

use disk_image::description::{DiskDescription, DiskFiles};
use disk_image::synthetic::{Assembled, Format, assemble as assemble_disk, vmdk_descriptor};
use serde_json::json;
use storage::{BackendKind, ImageIngest, VolumeFormat};
use tracing::{info, warn};
use wire::v1::LogLine;

use super::choice::ImageChoice;
use super::session::{Disk, Session};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::sessions::DataSession as _;

/// What tells of all synthetic disks of an image.
const RECORD: &str = "synthetic.json";
/// The kind of the problems that synthetic disks have.
const PROBLEM: &str = "synthetic disk";

/// Assembles the synthetic disks that the settings ask for.
pub fn assemble(core: &Core, session: &Session, ingest: &ImageIngest) {
    if session.storage().store.backend() == BackendKind::Hardlink
        || ingest.volume_format() != VolumeFormat::Raw
    {
        // Nothing could be shared: each would be a copy of the whole disk.
        return;
    }
    let formats = ImageChoice::of(&core.policies.of(session.client())).synthetic_disks;
    let mut made = Vec::new();
    for disk in session.disks() {
        for &format in &formats {
            let name = file_name(&disk.name, format);
            match assemble_one(core, ingest, disk, format, &name) {
                Ok(done) => {
                    tell(session, &name, &done);
                    made.push(json!({
                        "file": name,
                        "format": format.to_string(),
                        "shared_bytes": done.shared_bytes,
                        "copied_bytes": done.copied_bytes,
                        "structure_bytes": done.structure_bytes,
                    }));
                }
                Err(error) => give_up(session, ingest, &name, &error),
            }
        }
    }
    if !made.is_empty()
        && let Err(error) = write_record(ingest, &made)
    {
        give_up(session, ingest, RECORD, &error);
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

fn tell(session: &Session, name: &str, done: &Assembled) {
    let Assembled {
        shared_bytes,
        copied_bytes,
        structure_bytes,
    } = *done;
    info!(
        name,
        shared_bytes, copied_bytes, structure_bytes, "synthetic disk assembled"
    );
    session.job().log(LogLine {
        text: format!(
            "{name} is assembled: {shared_bytes} bytes are shared with the volumes, {copied_bytes} had to be copied, \
             {structure_bytes} are its own"
        ),
        ..LogLine::default()
    });
}

fn give_up(session: &Session, ingest: &ImageIngest, name: &str, error: &Error) {
    warn!(
        name,
        error = error.chain(),
        "a synthetic disk could not be assembled"
    );
    if let Err(error) = ingest.remove_derived(name) {
        warn!(name, %error, "what there is of it stays");
    }
    session.problem(manifest::Problem {
        path: name.as_bytes().into(),
        kind: PROBLEM.to_owned(),
        message: error.chain(),
    });
}
