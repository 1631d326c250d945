//! A volume of an image that is on this machine, opened to look at the files in it.

use std::path::Path;

use anyhow::{Context as _, Result};
use disk_image::description::DiskDescription;
use disk_image::volume::{Condition, FileSystem, identify};
use storage::VolumeReader;
use volume_files::Files;

use super::{Image, stem};
use crate::cli::Place;
use crate::failure::Failure;
use crate::output::Console;

/// Opens a disk's table or a volume of it, in the directory that has the image.
pub fn open_part(location: &Path, disk: &DiskDescription, file: &str) -> Result<VolumeReader> {
    let path = format!("{}/{file}", disk.name);
    storage::open_volume_at(location, path.as_bytes())
        .with_context(|| format!("can't open {path} in {}", location.display()))
}

/// An open volume, and the path in it that was asked for.
pub struct OpenVolume {
    content: VolumeReader,
    file_system: FileSystem,
    /// `DISK/VOLUME`.
    pub name: String,
    /// As on the command line.
    place: String,
    /// Beneath the volume's root.
    pub path: Vec<u8>,
}

impl OpenVolume {
    /// Opens what a place means; says if the volume was not left in order.
    pub fn open(image: &Image, place: &Place, console: &Console) -> Result<Self> {
        let mut parts = place.path.splitn(3, |byte| *byte == b'/');
        let names = [parts.next(), parts.next()].map(Option::unwrap_or_default);
        if names.iter().any(|name| name.is_empty()) {
            return Err(volume_missing(image).into());
        }
        let (disk, volume) = image.find(&names.join(&b'/'))?;
        let volume = volume.ok_or_else(|| volume_missing(image))?;
        let Some(location) = image.location() else {
            let text = "files are read out of images on the server's machine; elsewhere mount what \"perennial image export\" makes";
            return Err(Failure::Usage(text.into()).into());
        };
        let content = open_part(location, disk, &volume.file)?;
        let found =
            identify(&content).with_context(|| format!("can't read {}/{}", disk.name, volume.file))?;
        if found.condition == Condition::Dirty {
            console.note(
                "warning: the file system was not left in order; what was written to it last may be missing or damaged",
            );
        }
        let name = format!("{}/{}", disk.name, stem(&volume.file));
        Ok(Self {
            content,
            file_system: found.file_system,
            place: format!("{}:{name}", image.name),
            name,
            path: parts.next().unwrap_or_default().to_vec(),
        })
    }

    /// The files in it.
    pub fn files(&self) -> Result<Files<'_>> {
        volume_files::open(&self.content, self.file_system).map_err(|error| match self.file_system {
            FileSystem::Xfs
            | FileSystem::Btrfs
            | FileSystem::F2fs
            | FileSystem::Udf
            | FileSystem::Iso9660 => Failure::MustBeMounted {
                file_system: self.file_system.name(),
                place: self.place.clone(),
            }
            .into(),
            _ => anyhow::Error::new(error).context(format!("can't read files in {}", self.place)),
        })
    }
}

fn volume_missing(image: &Image) -> Failure {
    let volumes = image.disks.iter().flat_map(|disk| {
        let name = |file: &str| format!("{}:{}/{}", image.name, disk.name, stem(file));
        disk.volumes().map(move |(_, volume)| name(&volume.file))
    });
    let volumes: Vec<String> = volumes.collect();
    Failure::Usage(format!("say in which volume: {}", volumes.join(", ")))
}
