//! Recognizing what a volume holds, also what has no map here.
//!
//! Containers (LUKS, LVM, RAID, BitLocker, bcache) are looked for first: what seems to be a file system may be an inner part
//! of one, or a remnant. Where two file systems seem to be sound, neither is believed.

use super::reader::{Reader, text, uuid_text};
use super::{Condition, FileSystem, Volume, btrfs, exfat, ext, fat, ntfs, swap, xfs};
use crate::source::{u32_at, u64_at};
use crate::{Error, Result};

/// Signatures at fixed places, by the specifications of each; containers first.
const CONTAINERS: &[(FileSystem, u64, &[u8])] = &[
    (FileSystem::Luks, 0, b"LUKS\xba\xbe"),
    (FileSystem::BitLocker, 3, b"-FVE-FS-"),
    (FileSystem::RaidMember, 0, &RAID_MAGIC),
    (FileSystem::RaidMember, 4096, &RAID_MAGIC),
    (FileSystem::Bcache, 4096 + 24, BCACHE_MAGIC),
    // Labels of the other kinds of cell (of ZFS) lie behind this one.
    (FileSystem::Zfs, 128 << 10, &0x00ba_b10c_u64.to_le_bytes()),
];
const OTHERS: &[(FileSystem, u64, &[u8])] = &[
    (FileSystem::SquashFs, 0, b"hsqs"),
    (FileSystem::ReFs, 3, b"ReFS\0\0\0\0"),
    (FileSystem::Apfs, 32, b"NXSB"),
    (FileSystem::F2fs, 1024, &0xf2f5_2010_u32.to_le_bytes()),
    (FileSystem::Erofs, 1024, &0xe0f5_e1e2_u32.to_le_bytes()),
    (FileSystem::HfsPlus, 1024, b"H+\0\x04"),
    (FileSystem::HfsPlus, 1024, b"HX\0\x05"),
    (FileSystem::Iso9660, 32769, b"CD001"),
    (FileSystem::Udf, 32769, b"BEA01"),
];
const RAID_MAGIC: [u8; 4] = 0xa92b_4efc_u32.to_le_bytes();
const BCACHE_MAGIC: &[u8] = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";

type Identify = fn(&Reader) -> Result<Option<Volume>>;
const MAPPED: &[Identify] = &[
    ext::identify,
    xfs::identify,
    btrfs::identify,
    ntfs::identify,
    exfat::identify,
    fat::identify,
    swap::identify,
];

impl Condition {
    /// As a check has found it.
    pub(super) fn of(check: Result<()>, otherwise: Self) -> Self {
        match check {
            Ok(()) => otherwise,
            Err(error) => Self::Damaged {
                reason: super::in_words(&error),
            },
        }
    }
}

pub(super) fn identify(reader: &Reader) -> Result<Volume> {
    if let Some(container) = container(reader)? {
        return Ok(container);
    }
    let mut found = Vec::new();
    for identify in MAPPED {
        found.extend(identify(reader)?);
    }
    if let Some(other) = first(reader, OTHERS)? {
        found.push(named(other));
    }
    Ok(choose(found))
}

/// The one that is sound; if none is, the first that is damaged.
fn choose(found: Vec<Volume>) -> Volume {
    let is_sound = |volume: &Volume| !matches!(volume.condition, Condition::Damaged { .. });
    let (mut sound, damaged): (Vec<_>, Vec<_>) = found.into_iter().partition(is_sound);
    if sound.len() > 1 {
        let names: Vec<_> = sound.iter().map(|volume| volume.file_system.name()).collect();
        let reason = format!("the volume has the superblocks of {}", names.join(" and "));
        return Volume {
            condition: Condition::Damaged { reason },
            ..named(FileSystem::Unknown)
        };
    }
    let first = sound.pop().or_else(|| damaged.into_iter().next());
    first.unwrap_or_else(|| named(FileSystem::Unknown))
}

/// Something of which no more than the kind is known.
fn named(file_system: FileSystem) -> Volume {
    Volume {
        file_system,
        label: String::new(),
        id: String::new(),
        len_bytes: 0,
        block_bytes: 0,
        condition: Condition::Unknown,
    }
}

fn container(reader: &Reader) -> Result<Option<Volume>> {
    if let Some(lvm) = lvm(reader)? {
        return Ok(Some(lvm));
    }
    let Some(kind) = first(reader, CONTAINERS)? else {
        return raid_at_end(reader);
    };
    let mut volume = named(kind);
    if kind == FileSystem::Luks
        && let Some(header) = reader.read_if_there(0, 512)?
    {
        // LUKS1 has the name of a cipher mode where LUKS2 has its label.
        if header[7] == 2 {
            volume.label = text(&header[24..72]);
        }
        volume.id = text(&header[168..208]);
    }
    if kind == FileSystem::RaidMember {
        for at in [0, 4096] {
            let magic = reader.read_if_there(at, 4)?;
            if magic.as_deref() == Some(&RAID_MAGIC) {
                raid_names(reader, at, &mut volume)?;
            }
        }
    }
    Ok(Some(volume))
}

/// A physical volume's label lies in one of the first four sectors (LVM2, `lib/format_text/layout.h`): 0 "LABELONE",
/// 8 own sector, 20 offset of the content, 24 "LVM2 001"; the content begins with an id of 32 characters.
fn lvm(reader: &Reader) -> Result<Option<Volume>> {
    for sector in 0..4_u64 {
        let Some(label) = reader.read_if_there(sector * 512, 512)? else {
            break;
        };
        if &label[..8] != b"LABELONE" || &label[24..32] != b"LVM2 001" || u64_at(&label, 8) != sector {
            continue;
        }
        let at = u32_at(&label, 20) as usize;
        let id = at.checked_add(32).and_then(|end| label.get(at..end));
        let id = id.map(text).filter(|id| id.len() == 32 && id.is_ascii());
        let parts = |id: String| {
            let cuts = [0, 6, 10, 14, 18, 22, 26, 32];
            let parts: Vec<_> = cuts.windows(2).map(|cut| &id[cut[0]..cut[1]]).collect();
            parts.join("-")
        };
        return Ok(Some(Volume {
            id: id.map(parts).unwrap_or_default(),
            ..named(FileSystem::LvmMember)
        }));
    }
    Ok(None)
}

/// RAID superblocks of versions 1.0 and 0.90 lie near the end (`include/uapi/linux/raid/md_p.h`).
fn raid_at_end(reader: &Reader) -> Result<Option<Volume>> {
    let len_bytes = reader.len_bytes();
    let version_1 = (len_bytes & !511).checked_sub(8 << 10).map(|at| at & !4095);
    let version_0 = (len_bytes & !0xffff).checked_sub(64 << 10);
    for at in [version_1, version_0].into_iter().flatten() {
        if reader.read_if_there(at, 4)?.as_deref() == Some(&RAID_MAGIC) {
            let mut volume = named(FileSystem::RaidMember);
            if Some(at) == version_1 {
                raid_names(reader, at, &mut volume)?;
            }
            return Ok(Some(volume));
        }
    }
    Ok(None)
}

/// Version 1: 16 UUID of the array, 32 its name.
fn raid_names(reader: &Reader, at: u64, volume: &mut Volume) -> Result<()> {
    if let Some(superblock) = reader.read_if_there(at, 64)? {
        volume.id = uuid_text(&superblock[16..32]);
        volume.label = text(&superblock[32..64]);
    }
    Ok(())
}

fn first(reader: &Reader, signatures: &[(FileSystem, u64, &[u8])]) -> Result<Option<FileSystem>> {
    for (kind, at, signature) in signatures {
        let found = reader.read_if_there(*at, signature.len() as u64)?;
        if found.as_deref() == Some(*signature) {
            return Ok(Some(*kind));
        }
    }
    Ok(None)
}

/// A superblock's check that failed.
pub(super) fn damaged<T>(structure: &'static str, offset_bytes: u64, reason: impl Into<String>) -> Result<T> {
    Err(Error::damaged(structure, offset_bytes, reason))
}
