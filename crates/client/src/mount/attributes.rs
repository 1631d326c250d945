//! What `stat` shows, as the kernel takes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};
use manifest::Timestamp;

use super::directory::{Item, ItemKind};

/// The block that programs are told to read by.
const PREFERRED_BYTES: u32 = manifest::BLOCK_BYTES as u32;
/// `stat` counts blocks of this size.
const STAT_BLOCK_BYTES: u64 = 512;
/// Everybody may look into a folder of our own, and nobody write.
const OWN_FOLDER_MODE: u16 = 0o555;
const LINK_MODE: u16 = 0o777;

/// User and group of what no backup has: whoever has mounted them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The attributes of an entry that has so many names.
pub(super) fn of_item(number: u64, item: &Item, links: u32) -> FileAttr {
    let (size, device) = match &item.kind {
        ItemKind::File { size, .. } => (*size, 0),
        ItemKind::Symlink(target) => (target.len() as u64, 0),
        ItemKind::CharDevice(major, minor) | ItemKind::BlockDevice(major, minor) => {
            (0, device_number(*major, *minor))
        }
        ItemKind::Directory | ItemKind::HardLink(_) | ItemKind::Fifo => (0, 0),
    };
    FileAttr {
        size,
        blocks: size.div_ceil(STAT_BLOCK_BYTES),
        ctime: time(item.ctime),
        nlink: links,
        uid: item.uid,
        gid: item.gid,
        rdev: device,
        ..plain(
            number,
            kind(&item.kind),
            item.mode as u16 & 0o7777,
            time(item.mtime),
        )
    }
}

/// The attributes of a folder that is in no backup: the root, and the folder of a backup.
pub(super) fn of_own_folder(number: u64, owner: Owner, changed: Timestamp) -> FileAttr {
    FileAttr {
        uid: owner.uid,
        gid: owner.gid,
        ..plain(number, FileType::Directory, OWN_FOLDER_MODE, time(changed))
    }
}

/// The attributes of the link to the newest backup.
pub(super) fn of_own_link(number: u64, owner: Owner, changed: Timestamp, target: &str) -> FileAttr {
    FileAttr {
        size: target.len() as u64,
        uid: owner.uid,
        gid: owner.gid,
        ..plain(number, FileType::Symlink, LINK_MODE, time(changed))
    }
}

fn plain(number: u64, kind: FileType, perm: u16, changed: SystemTime) -> FileAttr {
    FileAttr {
        ino: INodeNo(number),
        size: 0,
        blocks: 0,
        atime: changed,
        mtime: changed,
        ctime: changed,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: PREFERRED_BYTES,
        flags: 0,
    }
}

/// What the kernel calls a kind. A hard link is what it leads to, which is never a directory; most are files.
pub(super) fn kind(kind: &ItemKind) -> FileType {
    match kind {
        ItemKind::File { .. } | ItemKind::HardLink(_) => FileType::RegularFile,
        ItemKind::Directory => FileType::Directory,
        ItemKind::Symlink(_) => FileType::Symlink,
        ItemKind::Fifo => FileType::NamedPipe,
        ItemKind::CharDevice(..) => FileType::CharDevice,
        ItemKind::BlockDevice(..) => FileType::BlockDevice,
    }
}

/// A device's numbers as FUSE has them (linux/kdev_t.h, `new_encode_dev`): 12 bits of the major, 20 of the minor.
fn device_number(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xf_ff00) << 12)
}

/// A time as the system has it; the beginning of 1970 for one that is beyond it.
fn time(timestamp: Timestamp) -> SystemTime {
    let second = Duration::from_secs(timestamp.secs.unsigned_abs());
    let second = if timestamp.secs < 0 {
        UNIX_EPOCH.checked_sub(second)
    } else {
        UNIX_EPOCH.checked_add(second)
    };
    second
        .and_then(|second| second.checked_add(Duration::from_nanos(timestamp.nanos.into())))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: ItemKind) -> Item {
        Item {
            name: b"name"[..].into(),
            kind,
            mode: 0o4751,
            uid: 70_000,
            gid: 5,
            mtime: Timestamp { secs: -2, nanos: 7 },
            ctime: Timestamp { secs: 9, nanos: 8 },
            xattrs: Box::default(),
        }
    }

    #[test]
    fn an_entry_shows_what_was_backed_up() {
        let file = ItemKind::File {
            size: 1025,
            hash: manifest::ContentHash::PENDING,
        };
        let shown = of_item(77, &item(file), 3);
        assert_eq!(
            (shown.ino.0, shown.size, shown.blocks, shown.nlink),
            (77, 1025, 3, 3)
        );
        assert_eq!((shown.perm, shown.uid, shown.gid), (0o4751, 70_000, 5));
        assert_eq!(
            shown.mtime,
            UNIX_EPOCH - Duration::from_secs(2) + Duration::from_nanos(7)
        );
        assert_eq!(shown.ctime, UNIX_EPOCH + Duration::new(9, 8));
        assert_eq!(of_item(1, &item(ItemKind::Symlink(b"abc"[..].into())), 1).size, 3);
    }

    #[test]
    fn device_numbers_are_encoded_as_the_kernel_does() {
        let disk = of_item(1, &item(ItemKind::BlockDevice(7, 1_048_575)), 1);
        assert_eq!((disk.kind, disk.rdev), (FileType::BlockDevice, 0xfff0_07ff));
        let null = of_item(1, &item(ItemKind::CharDevice(1, 3)), 1);
        assert_eq!((null.kind, null.rdev), (FileType::CharDevice, 0x103));
    }

    #[test]
    fn a_time_beyond_the_system_is_no_reason_to_panic() {
        for secs in [i64::MIN, i64::MAX] {
            let _ = time(Timestamp {
                secs,
                nanos: 999_999_999,
            });
        }
        assert_eq!(time(Timestamp { secs: 0, nanos: 0 }), UNIX_EPOCH);
    }
}
