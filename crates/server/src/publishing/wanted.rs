//! What is to be published: a disk of an image, or one volume of it, in a format.

use std::fmt;

use disk_image::DiskSource as _;
use disk_image::description::{DiskDescription, DiskFiles, PartitionDescription, TableDescription};
use disk_image::synthetic::{Disk, Format};
use storage::{BackupTree, VolumeReader};

use crate::error::{Error, Result};
use crate::image::{disks_in, open_volume_in};

/// The formats that are one file. A VMDK is two, which name each other.
const FORMATS: [Format; 5] = [
    Format::Vhdx,
    Format::VhdDynamic,
    Format::VhdFixed,
    Format::Qcow2,
    Format::Raw,
];

/// What the names of volumes end with in an image.
pub(super) const RAW_ENDING: &str = ".raw";

/// What is to be published of an image. Its text is the reason of the job, from which it can be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The disk, as the image names it.
    pub disk: String,
    /// The one volume, without an ending; `None` for the whole disk.
    pub volume: Option<String>,
    /// The format.
    pub format: Format,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.disk)?;
        if let Some(volume) = &self.volume {
            write!(f, "/{volume}")?;
        }
        write!(f, " as {}", self.format)
    }
}

impl Wanted {
    /// Takes what somebody asks for: the only disk where none is named, all of it where no volume is. Fails unless the image has that,
    /// and the format can hold it.
    pub fn find(image: &BackupTree, disk: &str, volume: &str, format: &str) -> Result<Self> {
        let format = one_file(format)?;
        let disk = match disk {
            "" => only_disk(image)?,
            name => name.to_owned(),
        };
        let stem = volume.strip_suffix(RAW_ENDING).unwrap_or(volume);
        let wanted = Self {
            disk,
            volume: (!stem.is_empty()).then(|| stem.to_owned()),
            format,
        };
        let blank = Disk {
            len_bytes: wanted.describe(image)?.len_bytes,
            data: Vec::new(),
            id: uuid::Uuid::nil(),
            made_secs: 0,
        };
        format.plan(&blank).map_err(Error::Disk)?;
        Ok(wanted)
    }

    /// What a job with this reason makes.
    pub fn of_reason(reason: &str) -> Option<Self> {
        let (place, format) = reason.rsplit_once(" as ")?;
        let (disk, volume) = match place.split_once('/') {
            Some((disk, volume)) => (disk, Some(volume.to_owned())),
            None => (place, None),
        };
        Some(Self {
            disk: disk.to_owned(),
            volume,
            format: one_file(format).ok()?,
        })
    }

    /// What follows the disk's and the volume's name in that of the file.
    pub fn ending(&self) -> String {
        let form = match self.format {
            Format::VhdFixed => "-fixed",
            _ => "",
        };
        format!("{form}.{}", self.format.extension())
    }

    /// What the image says of it. A volume is described as a disk that has nothing else.
    pub fn describe(&self, image: &BackupTree) -> Result<DiskDescription> {
        let missing = |what, name: &str| Error::NotFound {
            what,
            name: format!("{name} in {}/{}", image.client(), image.name()),
        };
        // Only what the image lists is ever looked for.
        let mut disks = disks_in(image)?.into_iter();
        let found = disks.find(|(name, _)| *name == self.disk);
        let (_, disk) = found.ok_or_else(|| missing("disk", &self.disk))?;
        match &self.volume {
            None => Ok(disk),
            Some(volume) => {
                of_volume(disk, volume).ok_or_else(|| missing("volume", &format!("{}/{volume}", self.disk)))
            }
        }
    }

    /// Opens what it is put together from.
    pub fn open(&self, image: &BackupTree, description: &DiskDescription) -> Result<DiskFiles<VolumeReader>> {
        let files = DiskFiles::open(description, |file| {
            open_volume_in(image, &format!("{}/{file}", self.disk)).map(Some)
        })?;
        for (range, volume) in &files.volumes {
            let len_bytes = volume
                .len_bytes()
                .map_err(|source| Error::io("look at", self.disk.as_ref(), source))?;
            if len_bytes < range.end - range.start {
                return Err(Error::Disk(disk_image::Error::damaged(
                    "disk",
                    range.start,
                    "a volume is shorter than its partition",
                )));
            }
        }
        Ok(files)
    }
}

/// A disk that is one of the volumes and nothing else.
fn of_volume(disk: DiskDescription, volume: &str) -> Option<DiskDescription> {
    let file = format!("{volume}{}", RAW_ENDING);
    let is_it = |partition: &PartitionDescription| {
        let described = partition.volume.as_ref();
        described.is_some_and(|described| described.file == file)
    };
    let partition = disk.partitions.into_iter().find(is_it)?;
    Some(DiskDescription {
        len_bytes: partition.len_bytes,
        table: TableDescription {
            kind: "none".to_owned(),
            id: String::new(),
            pieces: Vec::new(),
            warnings: Vec::new(),
        },
        partitions: vec![PartitionDescription {
            start_bytes: 0,
            ..partition
        }],
        format: disk.format,
        name: disk.name,
        path: disk.path,
        sector_bytes: disk.sector_bytes,
    })
}

fn only_disk(image: &BackupTree) -> Result<String> {
    let mut names = disks_in(image)?.into_iter().map(|(name, _)| name);
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        _ => Err(Error::Invalid {
            why: format!(
                "{}/{} does not have one disk: name the one that is wanted",
                image.client(),
                image.name()
            ),
        }),
    }
}

fn one_file(word: &str) -> Result<Format> {
    let found = FORMATS.into_iter().find(|format| format.to_string() == word);
    found.ok_or_else(|| Error::Invalid {
        why: format!(
            "{word:?} is no format of virtual disks that can be published: raw, vhd, vhd-fixed, vhdx, qcow2; \"perennial image \
             export\" makes others"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_job_tells_what_it_makes() {
        for format in FORMATS {
            for volume in [None, Some("sda as 2".to_owned())] {
                let wanted = Wanted {
                    disk: "sd as a".to_owned(),
                    volume,
                    format,
                };
                assert_eq!(Wanted::of_reason(&wanted.to_string()), Some(wanted));
            }
        }
        for other in ["", "sda", "sda as vmdk", "sda as ../x"] {
            assert_eq!(Wanted::of_reason(other), None, "{other}");
        }
    }

    #[test]
    fn every_format_but_that_of_two_files_can_be_published() {
        let others: Vec<_> = Format::ALL
            .into_iter()
            .filter(|format| !FORMATS.contains(format))
            .collect();
        assert_eq!(others, [Format::VmdkFlat]);
        assert!(one_file("vmdk").is_err());
    }
}
