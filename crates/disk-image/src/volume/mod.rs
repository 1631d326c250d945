//! What lies in a volume: its file system, and the bytes that the file system uses.
//!
//! Owns: recognizing file systems by their superblocks, and reading their own maps of what is allocated: [`identify`] and
//! [`used`]. A module per family: `ext`, `xfs`, `ntfs`, `fat`, `exfat`, `btrfs`, `swap`. What reads files in a volume builds on the
//! structures of four of them.
//!
//! A map errs on one side only: bytes that are free may be called used, never the other way round. Where a file system's own
//! maps may be wrong (not unmounted, a log to be replayed, a checksum that does not fit, a feature that is not known), all of
//! the volume is in use, and [`Trust`] has the reason in words.
//!
//! Never: writes; replays a log; takes a count, an offset or a length without having checked it against the volume's size.

mod bits;
mod checksum;
mod ranges;
mod reader;
mod signs;
mod swap;
mod xxhash;

mod btrfs;
pub mod exfat;
pub mod ext;
pub mod fat;
pub mod ntfs;
mod xfs;

use std::fmt;
use std::ops::Range;

use ranges::Ranges;

pub use reader::{PIECE_BYTES, Reader};

use crate::source::DiskSource;
use crate::{Error, Result};

/// What a volume holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The kind of file system, or of whatever else is known by its signature.
    pub file_system: FileSystem,
    /// Its label; empty where it has none.
    pub label: String,
    /// Its UUID or serial number, written as `blkid` does; empty where it has none.
    pub id: String,
    /// What the file system says that it spans, from the volume's start; 0 where that is not known.
    pub len_bytes: u64,
    /// The unit in which it allocates; 0 where that is not known.
    pub block_bytes: u32,
    /// Whether it was left in order.
    pub condition: Condition,
}

/// Whether a file system was left in order, as far as its superblock tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Unmounted, or frozen. A btrfs is always, but for a log tree, since what is on disk is whole at any time.
    Clean,
    /// In use, or not unmounted: it has a log to replay, or wants to be checked.
    Dirty,
    /// Nothing is known of it.
    Unknown,
    /// Its superblock contradicts itself or the volume.
    Damaged {
        /// What is wrong, in words.
        reason: String,
    },
}

/// The kinds of content that are recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names say all")]
pub enum FileSystem {
    Ext2,
    Ext3,
    Ext4,
    Xfs,
    Ntfs,
    Fat12,
    Fat16,
    Fat32,
    ExFat,
    Btrfs,
    Swap,
    /// The journal of an ext3 or ext4 elsewhere.
    ExtJournal,
    LvmMember,
    Luks,
    BitLocker,
    RaidMember,
    Bcache,
    Iso9660,
    Udf,
    F2fs,
    Erofs,
    SquashFs,
    ReFs,
    Apfs,
    HfsPlus,
    Zfs,
    /// None of these.
    Unknown,
}

impl FileSystem {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext3 => "ext3",
            Self::Ext4 => "ext4",
            Self::Xfs => "XFS",
            Self::Ntfs => "NTFS",
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
            Self::ExFat => "exFAT",
            Self::Btrfs => "btrfs",
            Self::Swap => "swap",
            Self::ExtJournal => "ext journal",
            Self::LvmMember => "LVM physical volume",
            Self::Luks => "LUKS",
            Self::BitLocker => "BitLocker",
            Self::RaidMember => "Linux RAID member",
            Self::Bcache => "bcache",
            Self::Iso9660 => "ISO 9660",
            Self::Udf => "UDF",
            Self::F2fs => "F2FS",
            Self::Erofs => "EROFS",
            Self::SquashFs => "SquashFS",
            Self::ReFs => "ReFS",
            Self::Apfs => "APFS",
            Self::HfsPlus => "HFS+",
            Self::Zfs => "ZFS",
            Self::Unknown => "unknown",
        }
    }

    /// Whether [`used`] reads its maps; of all others every byte is in use.
    pub fn has_map(self) -> bool {
        matches!(
            self,
            Self::Ext2
                | Self::Ext3
                | Self::Ext4
                | Self::Xfs
                | Self::Ntfs
                | Self::Fat12
                | Self::Fat16
                | Self::Fat32
                | Self::ExFat
                | Self::Btrfs
                | Self::Swap
        )
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What need not be read although it is allocated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaveOut {
    /// Swap space: of a swap volume all but its header (label and UUID stay), of an NTFS the content of `pagefile.sys` and
    /// `swapfile.sys`. The files themselves stay, full of zeros.
    pub swap: Choice,
    /// The content of an NTFS's `hiberfil.sys`: Windows then starts anew instead of resuming.
    pub hibernation: Choice,
}

/// Whether a kind of content is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// It is read like anything else.
    #[default]
    Keep,
    /// It is left out.
    Omit,
}

/// What whoever reads a volume knows of those who write to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stillness {
    /// Nobody does, as far as is known.
    #[default]
    Unwritten,
    /// It is frozen, or a snapshot of one that was: all that its file system has is in its place, although its log may look as if there
    /// was something to be replayed.
    Frozen,
    /// Somebody may, at any time; so maps and what they are about never fit.
    Written,
}

/// Which bytes of a volume are in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedMap {
    ranges: Vec<Range<u64>>,
    trust: Trust,
}

/// What a map is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It was made of the file system's own maps.
    Exact,
    /// It has all of the volume.
    Everything {
        /// Why, in words.
        reason: String,
    },
}

impl UsedMap {
    /// The ranges, in order, none empty, none touching another, all within the volume.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// What the map is worth.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The sum of the ranges.
    pub fn used_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    fn everything(len_bytes: u64, reason: String) -> Self {
        let mut ranges = Ranges::within(len_bytes);
        ranges.add(0..len_bytes);
        Self {
            ranges: ranges.finish(),
            trust: Trust::Everything { reason },
        }
    }
}

/// Recognizes what a volume holds. Something unknown is no error, neither is something damaged: [`Volume::condition`] says so.
///
/// # Errors
/// [`Error::Io`] where the volume can't be read.
pub fn identify<S: DiskSource + ?Sized>(source: &S) -> Result<Volume> {
    signs::identify(&Reader::new(&source)?)
}

/// Tells which bytes of a volume must be kept, so that a copy with zeros everywhere else is the same file system with the
/// same content. What lies behind the file system's end is kept too.
///
/// Whatever keeps the maps from being read or relied on, a failure to read them included, ends in a map of everything.
///
/// # Errors
/// [`Error::Io`] where even the volume's size is not to be had.
pub fn used<S: DiskSource + ?Sized>(
    source: &S,
    volume: &Volume,
    leave_out: LeaveOut,
    stillness: Stillness,
) -> Result<UsedMap> {
    let reader = Reader::new(&source)?;
    let len_bytes = reader.len_bytes();
    Ok(match ranges_of(&reader, volume, leave_out, stillness) {
        Ok(ranges) => UsedMap {
            ranges: ranges.finish(),
            trust: Trust::Exact,
        },
        Err(error) => UsedMap::everything(len_bytes, in_words(&error)),
    })
}

fn ranges_of(reader: &Reader, volume: &Volume, leave_out: LeaveOut, stillness: Stillness) -> Result<Ranges> {
    if stillness == Stillness::Written && volume.file_system.has_map() {
        return Err(Error::untrusted("it is written to while it is read"));
    }
    // Whether it is clean is asked once more by each, since that may have changed.
    if let Condition::Damaged { reason } = &volume.condition {
        return Err(Error::untrusted(reason.clone()));
    }
    match volume.file_system {
        FileSystem::Ext2 | FileSystem::Ext3 | FileSystem::Ext4 => ext::used(reader),
        FileSystem::Fat12 | FileSystem::Fat16 | FileSystem::Fat32 => fat::used(reader),
        FileSystem::ExFat => exfat::used(reader),
        FileSystem::Btrfs => btrfs::used(reader),
        FileSystem::Xfs => xfs::used(reader, stillness),
        FileSystem::Ntfs => ntfs::used(reader, leave_out),
        FileSystem::Swap => swap::used(reader, leave_out),
        FileSystem::Unknown => Err(Error::untrusted("the file system is not known")),
        other => Err(Error::untrusted(format!("{other} has no map that is read"))),
    }
}

/// An error with its causes, in one line.
fn in_words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
