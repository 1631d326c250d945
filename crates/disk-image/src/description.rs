//! What a backup says of a disk: `disk.json`, beside the raw images of its volumes. `docs/formats/image.md` has its fields.
//!
//! A description comes from a client or from a storage that may be damaged: [`DiskDescription::parse`] checks that all of it fits
//! together before anything is made of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::synthetic::{Content, Disk, Format, Part, add_data};
use crate::table::{PartitionKind, PartitionTable, TableKind};
use crate::{DiskSource, Error, Result};

/// The name of its file.
pub const FILE_NAME: &str = "disk.json";
/// The raw image of what of the disk belongs to no partition.
pub const TABLE_FILE_NAME: &str = "table.raw";
/// The longest that it may be.
pub const MAX_BYTES: usize = 1 << 20;

const STRUCTURE: &str = "description of a disk";
const FORMAT: u32 = 1;
/// More pieces of a table than any disk has.
const MAX_PIECES: usize = 1000;
const MAX_PARTITIONS: usize = 10_000;

/// A disk and what is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskDescription {
    /// Version of the description.
    pub format: u32,
    /// What the client calls it.
    pub name: String,
    /// Where the client has it.
    pub path: String,
    /// Its size.
    pub len_bytes: u64,
    /// Size of a logical sector.
    pub sector_bytes: u64,
    /// Its partition table.
    pub table: TableDescription,
    /// Its partitions by their place on the disk; of a disk without a table one that is all of it.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDescription {
    /// `none`, `mbr`, `gpt` or `hybrid` (a GPT whose MBR lists partitions too).
    pub kind: String,
    /// The disk's GUID, or the signature of an MBR in hexadecimal digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Which ranges of the disk `table.raw` has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<PieceDescription>,
    /// What was wrong with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A range of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceDescription {
    /// Where it begins.
    pub start_bytes: u64,
    /// Its length.
    pub len_bytes: u64,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDescription {
    /// Its number as Linux counts; 0 for a whole disk.
    pub number: u32,
    /// Where it begins.
    pub start_bytes: u64,
    /// Its length.
    pub len_bytes: u64,
    /// The type in the table: a GUID, or a byte as `0x83`.
    #[serde(default, rename = "type", skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// Its own GUID.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Its label in the table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// Attribute bits of a GPT.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attributes: u64,
    /// Whether an MBR's boot code starts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_active: bool,
    /// What is on it, if that is part of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeDescription>,
}

/// A volume that is part of a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeDescription {
    /// The name of its raw image.
    pub file: String,
    /// Its file system.
    pub file_system: String,
    /// That file system's label.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// That file system's identity.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// How much of it is in use, and was read.
    pub used_bytes: u64,
    /// How that is known: `exact`, or why every block was read.
    pub map: String,
    /// How it was held still.
    pub consistency: String,
    /// Where it was mounted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mounted_at: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl DiskDescription {
    /// Describes a disk with a table; no volume is part of the backup yet.
    pub fn new(name: &str, path: &str, table: &PartitionTable) -> Self {
        let (kind, id) = match table.kind {
            TableKind::None => ("none", String::new()),
            TableKind::Mbr { signature } => ("mbr", format!("{signature:08x}")),
            TableKind::Gpt {
                disk,
                is_hybrid: false,
            } => ("gpt", disk.to_string()),
            TableKind::Gpt {
                disk,
                is_hybrid: true,
            } => ("hybrid", disk.to_string()),
        };
        let mut partitions: Vec<_> = table.partitions.iter().map(partition).collect();
        if table.kind == TableKind::None {
            partitions = vec![PartitionDescription {
                len_bytes: table.disk_len_bytes,
                ..PartitionDescription::default()
            }];
        }
        Self {
            format: FORMAT,
            name: name.to_owned(),
            path: path.to_owned(),
            len_bytes: table.disk_len_bytes,
            sector_bytes: table.sector_bytes,
            table: TableDescription {
                kind: kind.to_owned(),
                id,
                pieces: pieces(table),
                warnings: table.warnings.clone(),
            },
            partitions,
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Damaged`] where it is no description, or one that contradicts itself, and [`Error::Unsupported`] where it is of a newer
    /// version.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(STRUCTURE, 0, reason);
        if bytes.len() > MAX_BYTES {
            return Err(damaged("it is too long".to_owned()));
        }
        let description: Self = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if description.format > FORMAT {
            return Err(Error::Unsupported {
                format: FILE_NAME,
                feature: format!("version {}", description.format),
            });
        }
        description.check()?;
        Ok(description)
    }

    /// Its text.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("texts and numbers can always be written")
    }

    /// The volumes that are part of the backup, each with its partition.
    pub fn volumes(&self) -> impl Iterator<Item = (&PartitionDescription, &VolumeDescription)> {
        let volume = |partition: &'_ PartitionDescription| partition.volume.is_some();
        self.partitions
            .iter()
            .filter(move |partition| volume(partition))
            .filter_map(|partition| Some((partition, partition.volume.as_ref()?)))
    }

    /// Whether there is a `table.raw`.
    pub fn has_table(&self) -> bool {
        !self.table.pieces.is_empty()
    }

    fn check(&self) -> Result<()> {
        let damaged = |at: u64, reason: &str| Err(Error::damaged(STRUCTURE, at, reason));
        if self.partitions.len() > MAX_PARTITIONS || self.table.pieces.len() > MAX_PIECES {
            return damaged(0, "it has too many parts");
        }
        if !self.len_bytes.is_multiple_of(512) {
            return damaged(0, "the disk's size is no whole number of sectors");
        }
        let mut end = 0;
        for partition in &self.partitions {
            end = self.after(partition.start_bytes, partition.len_bytes, end)?;
        }
        let mut end = 0;
        for piece in &self.table.pieces {
            end = self.after(piece.start_bytes, piece.len_bytes, end)?;
        }
        let mut names = BTreeSet::from([FILE_NAME, TABLE_FILE_NAME]);
        for (partition, volume) in self.volumes() {
            let name = volume.file.as_str();
            let is_name = name.len() <= 255 && !name.starts_with('.') && !name.contains(['/', '\0']);
            if !is_name || !name.ends_with(".raw") || !names.insert(name) {
                return damaged(partition.start_bytes, "a volume's file has an impossible name");
            }
        }
        Ok(())
    }

    /// The end of a range that must not begin before another ends.
    fn after(&self, start: u64, len: u64, before: u64) -> Result<u64> {
        let end = start.checked_add(len);
        end.filter(|end| start >= before && *end <= self.len_bytes)
            .ok_or(Error::Misplaced { offset_bytes: start })
    }
}

/// The ranges of a table, those that touch made one.
fn pieces(table: &PartitionTable) -> Vec<PieceDescription> {
    let mut pieces: Vec<PieceDescription> = Vec::new();
    for piece in &table.pieces {
        let end = piece.offset_bytes + piece.bytes.len() as u64;
        match pieces.last_mut() {
            Some(last) if piece.offset_bytes <= last.start_bytes + last.len_bytes => {
                last.len_bytes = last.len_bytes.max(end - last.start_bytes);
            }
            _ if piece.bytes.is_empty() => {}
            _ => pieces.push(PieceDescription {
                start_bytes: piece.offset_bytes,
                len_bytes: end - piece.offset_bytes,
            }),
        }
    }
    pieces
}

fn partition(partition: &crate::table::Partition) -> PartitionDescription {
    let placed = PartitionDescription {
        number: partition.number,
        start_bytes: partition.start_bytes,
        len_bytes: partition.len_bytes,
        ..PartitionDescription::default()
    };
    match &partition.kind {
        PartitionKind::Mbr { code, is_active } => PartitionDescription {
            code: format!("0x{code:02x}"),
            is_active: *is_active,
            ..placed
        },
        PartitionKind::Gpt {
            code,
            id,
            attributes,
            label,
        } => PartitionDescription {
            code: code.to_string(),
            id: id.to_string(),
            label: label.clone(),
            attributes: *attributes,
            ..placed
        },
    }
}

/// What a disk is put together from: raw images in files, or whatever else holds the content of such.
#[derive(Debug)]
pub struct DiskFiles<S = File> {
    /// `table.raw`; `None` for a disk without a table, or where it is left out.
    pub table: Option<S>,
    /// The raw images that are taken, each with the place of its partition.
    pub volumes: Vec<(Range<u64>, S)>,
}

impl<S> DiskFiles<S> {
    /// Opens what a description names: `open` is given the names of files, and `None` leaves one out.
    pub fn open<E>(
        description: &DiskDescription,
        mut open: impl FnMut(&str) -> std::result::Result<Option<S>, E>,
    ) -> std::result::Result<Self, E> {
        let table = match description.has_table() {
            true => open(TABLE_FILE_NAME)?,
            false => None,
        };
        let mut volumes = Vec::new();
        for (partition, volume) in description.volumes() {
            if let Some(file) = open(&volume.file)? {
                let range = partition.start_bytes..partition.start_bytes + partition.len_bytes;
                volumes.push((range, file));
            }
        }
        Ok(Self { table, volumes })
    }

    /// Which range of the disk lies where: in what, and from which byte of that on.
    pub(crate) fn places(&self, description: &DiskDescription) -> Vec<(Range<u64>, &S, u64)> {
        let mut places = Vec::new();
        if let Some(table) = &self.table {
            for piece in &description.table.pieces {
                let range = piece.start_bytes..piece.start_bytes + piece.len_bytes;
                // What lies in a partition belongs to it, whatever the table has there.
                let own = outside(range, &self.volumes);
                places.extend(own.into_iter().map(|range| {
                    let start = range.start;
                    (range, table, start)
                }));
            }
        }
        places.extend(self.volumes.iter().map(|(range, file)| (range.clone(), file, 0)));
        places
    }
}

impl<S: DiskSource> DiskFiles<S> {
    /// The parts that they are on the disk.
    pub fn parts<'a>(&'a self, description: &DiskDescription) -> Vec<Part<'a>> {
        let places = self.places(description).into_iter();
        let part = |(range, source, offset_bytes)| Part {
            range,
            content: Content::of(source, offset_bytes),
        };
        places.map(part).collect()
    }

    /// The disk, with all ranges that have data, as finely as a format tells them.
    ///
    /// # Errors
    /// [`Error::Io`] where it can't be found out where there is data.
    pub fn disk(
        &self,
        description: &DiskDescription,
        format: Format,
        id: uuid::Uuid,
        made_secs: u64,
    ) -> Result<Disk> {
        let grain_bytes = format.grain_bytes(description.len_bytes);
        let mut data = Vec::new();
        for (range, source, offset_bytes) in self.places(description) {
            add_data(source, offset_bytes, &range, grain_bytes, &mut data)?;
        }
        data.sort_by_key(|range: &Range<u64>| range.start);
        Ok(Disk {
            len_bytes: description.len_bytes,
            data,
            id,
            made_secs,
        })
    }
}

/// What of a range lies in none of the volumes, which are in order.
fn outside<S>(range: Range<u64>, volumes: &[(Range<u64>, S)]) -> Vec<Range<u64>> {
    let mut rest = Vec::new();
    let mut start = range.start;
    for (volume, _) in volumes {
        if volume.start >= range.end {
            break;
        }
        if volume.end > start {
            if volume.start > start {
                rest.push(start..volume.start);
            }
            start = volume.end;
        }
    }
    if start < range.end {
        rest.push(start..range.end);
    }
    rest
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use super::*;

    fn sample() -> DiskDescription {
        let volume = |file: &str| {
            Some(VolumeDescription {
                file: file.to_owned(),
                file_system: "ext4".to_owned(),
                ..VolumeDescription::default()
            })
        };
        DiskDescription {
            format: FORMAT,
            name: "sda".to_owned(),
            path: "/dev/sda".to_owned(),
            len_bytes: 1 << 30,
            sector_bytes: 512,
            table: TableDescription {
                kind: "gpt".to_owned(),
                id: String::new(),
                pieces: vec![
                    PieceDescription {
                        start_bytes: 0,
                        len_bytes: 1 << 20,
                    },
                    PieceDescription {
                        start_bytes: (1 << 30) - 512,
                        len_bytes: 512,
                    },
                ],
                warnings: Vec::new(),
            },
            partitions: vec![
                PartitionDescription {
                    number: 1,
                    start_bytes: 1 << 20,
                    len_bytes: 1 << 20,
                    volume: volume("sda1.raw"),
                    ..PartitionDescription::default()
                },
                PartitionDescription {
                    number: 2,
                    start_bytes: 1 << 21,
                    len_bytes: 1 << 20,
                    volume: volume("sda2.raw"),
                    ..PartitionDescription::default()
                },
            ],
        }
    }

    #[test]
    fn a_description_is_read_as_it_was_written() {
        let description = sample();
        assert_eq!(
            DiskDescription::parse(&description.to_json()).unwrap(),
            description
        );
    }

    #[test]
    fn one_that_contradicts_itself_is_refused() {
        let refused = |change: &dyn Fn(&mut DiskDescription)| {
            let mut description = sample();
            change(&mut description);
            DiskDescription::parse(&description.to_json()).is_err()
        };
        assert!(refused(&|disk| disk.partitions[1].start_bytes = 5));
        assert!(refused(&|disk| disk.partitions[1].len_bytes = u64::MAX));
        assert!(refused(&|disk| disk.partitions.reverse()));
        assert!(refused(&|disk| disk.table.pieces[1].len_bytes = 1024));
        assert!(refused(&|disk| disk.len_bytes += 1));
        assert!(refused(&|disk| disk.format = 2));
        for name in [
            "../sda.raw",
            ".raw",
            "sda1.raw",
            "table.raw",
            "disk.json",
            "x",
            "",
        ] {
            assert!(refused(&|disk| {
                if let Some(volume) = &mut disk.partitions[1].volume {
                    volume.file = name.to_owned();
                }
            }));
        }
        assert!(!refused(&|_| {}));
        assert!(DiskDescription::parse(b"{}").is_err());
    }

    #[test]
    fn what_of_a_table_lies_in_a_partition_is_left_to_that() {
        let file = || tempfile::tempfile().unwrap();
        let volumes = [(10..20, file()), (20..30, file()), (50..60, file())];
        assert_eq!(outside(0..100, &volumes), [0..10, 30..50, 60..100]);
        assert_eq!(outside(12..25, &volumes), []);
        assert_eq!(outside(15..55, &volumes), std::slice::from_ref(&(30..50)));
    }
}
