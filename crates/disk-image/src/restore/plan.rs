//! What goes where on the target: checked before anything is written.

use std::ops::Range;

use crate::description::{DiskDescription, VolumeDescription};
use crate::source::DiskSource;
use crate::table::{self, Growth, TablePiece};
use crate::{Error, Result};

/// What is to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The disk with its table; these volumes of it, by the names of their files, or all.
    Disk(Option<Vec<String>>),
    /// One volume, which begins where the target does.
    Volume(String),
}

/// A volume's place on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of its file.
    pub file: String,
    /// Where it goes.
    pub range: Range<u64>,
}

/// What goes where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The bytes of the partition table.
    pub table: Vec<TablePiece>,
    /// The volumes, in order.
    pub places: Vec<Place>,
    /// What the target has to hold at least.
    pub needed_bytes: u64,
    /// How long a file is that stands for the disk; what is longer already stays so.
    pub file_len_bytes: u64,
}

/// A disk that has a table and nothing else.
struct TableOnly<'a> {
    len_bytes: u64,
    pieces: &'a [TablePiece],
}

impl DiskSource for TableOnly<'_> {
    fn len_bytes(&self) -> std::io::Result<u64> {
        Ok(self.len_bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> std::io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.len_bytes);
        let end = end.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        for piece in self.pieces {
            let piece_end = piece.offset_bytes + piece.bytes.len() as u64;
            let (from, to) = (piece.offset_bytes.max(offset_bytes), piece_end.min(end));
            if from < to {
                let into = (from - offset_bytes) as usize..(to - offset_bytes) as usize;
                let of = (from - piece.offset_bytes) as usize..(to - piece.offset_bytes) as usize;
                buffer[into].copy_from_slice(&piece.bytes[of]);
            }
        }
        Ok(())
    }
}

impl Plan {
    /// Plans a restore. `table` reads a range of `table.raw`; `target_len_bytes` is `None` for a file that becomes as long as needed.
    ///
    /// # Errors
    /// [`Error::TooSmall`] where the target does not hold it, [`Error::NoSuchVolume`] where there is none of a name, and whatever
    /// keeps the table from being read or moved.
    pub fn new(
        description: &DiskDescription,
        wish: &Wish,
        target_len_bytes: Option<u64>,
        growth: Growth,
        mut table: impl FnMut(Range<u64>) -> Result<Vec<u8>>,
    ) -> Result<Self> {
        if let Wish::Volume(name) = wish {
            return Self::one_volume(description, name, target_len_bytes);
        }
        let Wish::Disk(wanted) = wish else {
            unreachable!("the other wish has returned")
        };
        let mut places = Vec::new();
        for (partition, volume) in description.volumes() {
            if wanted
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|name| is_called(volume, name)))
            {
                places.push(Place {
                    file: volume.file.clone(),
                    range: partition.start_bytes..partition.start_bytes + partition.len_bytes,
                });
            }
        }
        if let Some(missing) = wanted
            .iter()
            .flatten()
            .find(|name| !description.volumes().any(|(_, volume)| is_called(volume, name)))
        {
            return Err(no_such_volume(missing));
        }
        let mut pieces = Vec::new();
        for piece in &description.table.pieces {
            pieces.push(TablePiece {
                offset_bytes: piece.start_bytes,
                bytes: table(piece.start_bytes..piece.start_bytes + piece.len_bytes)?,
            });
        }
        let new_len = target_len_bytes.unwrap_or(description.len_bytes);
        let disk = TableOnly {
            len_bytes: description.len_bytes,
            pieces: &pieces,
        };
        let moved = match new_len == description.len_bytes {
            true => table::Moved::default(),
            false => table::moved(&disk, new_len, growth)?,
        };
        let last_end = description
            .partitions
            .iter()
            .map(|partition| partition.start_bytes + partition.len_bytes)
            .max();
        let needed_bytes = last_end.unwrap_or_default() + moved.behind_bytes;
        check_size(needed_bytes, new_len)?;
        if new_len != description.len_bytes {
            // What lay behind the last partition has its place anew.
            pieces.retain(|piece| piece.offset_bytes < last_end.unwrap_or(u64::MAX));
            moved
                .pieces
                .into_iter()
                .for_each(|piece| lay_over(&mut pieces, piece));
        }
        Ok(Self {
            table: pieces,
            places,
            needed_bytes,
            file_len_bytes: new_len,
        })
    }

    fn one_volume(description: &DiskDescription, name: &str, target_len_bytes: Option<u64>) -> Result<Self> {
        let mut volumes = description.volumes();
        let (partition, volume) = volumes
            .find(|(_, volume)| is_called(volume, name))
            .ok_or_else(|| no_such_volume(name))?;
        let needed_bytes = partition.len_bytes;
        check_size(needed_bytes, target_len_bytes.unwrap_or(needed_bytes))?;
        Ok(Self {
            table: Vec::new(),
            places: vec![Place {
                file: volume.file.clone(),
                range: 0..needed_bytes,
            }],
            needed_bytes,
            file_len_bytes: needed_bytes,
        })
    }

    /// How much is written or looked at in all.
    pub fn total_bytes(&self) -> u64 {
        self.places
            .iter()
            .map(|place| place.range.end - place.range.start)
            .sum()
    }
}

/// Replaces bytes of a table, or adds them where there are none.
fn lay_over(pieces: &mut Vec<TablePiece>, over: TablePiece) {
    let end = over.offset_bytes + over.bytes.len() as u64;
    let under = pieces.iter_mut().find(|piece| {
        piece.offset_bytes <= over.offset_bytes && end <= piece.offset_bytes + piece.bytes.len() as u64
    });
    match under {
        Some(under) => {
            let at = (over.offset_bytes - under.offset_bytes) as usize;
            under.bytes[at..at + over.bytes.len()].copy_from_slice(&over.bytes);
        }
        None => pieces.push(over),
    }
}

/// Whether a volume is meant by a name: that of its file, with or without the suffix.
pub(crate) fn is_called(volume: &VolumeDescription, name: &str) -> bool {
    volume.file == name || volume.file.strip_suffix(".raw") == Some(name)
}

fn no_such_volume(name: &str) -> Error {
    Error::NoSuchVolume {
        name: name.to_owned(),
    }
}

fn check_size(needed_bytes: u64, len_bytes: u64) -> Result<()> {
    if needed_bytes > len_bytes {
        return Err(Error::TooSmall {
            len_bytes,
            needed_bytes,
        });
    }
    Ok(())
}
