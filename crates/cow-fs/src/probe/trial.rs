//! One trial per capability. Each uses names of its own within the place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, fsetxattr, makedev, mknodat};

use super::place::{Place, SUBVOLUMES};
use crate::btrfs::{self, Access};

/// What a trial came to.
pub(crate) type Outcome = Result<(), Reason>;

/// Why a trial did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{error}: {}", source_of(error))]
    Operation {
        #[from]
        error: crate::Error,
    },
    #[error("{0}")]
    Ineffective(&'static str),
    #[error("no space left for a trial")]
    NoRoom,
}

impl Reason {
    /// Whether there was no room to try it.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::Operation { error } => matches!(error, crate::Error::NoSpace { .. }),
            Self::Ineffective(_) => false,
            Self::NoRoom => true,
        }
    }
}

impl From<rustix::io::Errno> for Reason {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

fn source_of(error: &crate::Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

fn demand(condition: bool, otherwise: &'static str) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(Reason::Ineffective(otherwise))
    }
}

/// Larger than anything that is stored inline, and a multiple of common block sizes.
const CONTENT_BYTES: usize = 128 * 1024;

fn filled(place: &Place, name: &str) -> io::Result<File> {
    let mut file = place.file(name)?;
    file.write_all(&[0x5a; CONTENT_BYTES])?;
    Ok(file)
}

pub(crate) fn reflink(place: &Place) -> Outcome {
    let source = filled(place, "clone-source")?;
    let clone = place.file("clone")?;
    crate::clone_file(&source, &clone)?;
    crate::clone_range(&source, 0, CONTENT_BYTES as u64 / 2, &clone, CONTENT_BYTES as u64)?;
    demand(
        clone.metadata()?.len() == CONTENT_BYTES as u64 * 3 / 2,
        "a clone has another size",
    )
}

pub(crate) fn punch_hole(place: &Place) -> Outcome {
    let file = filled(place, "hole")?;
    crate::punch_hole(&file, 0, CONTENT_BYTES as u64 / 2)?;
    let mut first = [0xff; 1];
    file.read_exact_at(&mut first, 0)?;
    demand(first == [0], "the hole does not read as zeros")
}

pub(crate) fn sparse(place: &Place) -> Outcome {
    const GAP_BYTES: u64 = 1 << 20;
    let file = place.file("sparse")?;
    file.write_all_at(&[0x5a; 4096], GAP_BYTES)?;
    file.sync_data()?;
    demand(file.metadata()?.blocks() * 512 < GAP_BYTES, "a gap takes space")?;
    let first = crate::data_extents(&file, GAP_BYTES + 4096).next().transpose()?;
    demand(
        first.is_some_and(|extent| extent.offset_bytes > 0),
        "SEEK_DATA does not show holes",
    )
}

pub(crate) fn subvolume_snapshot(place: &Place) -> Outcome {
    let [snapshot, subvolume] = SUBVOLUMES;
    btrfs::create_subvolume(place.dir(), subvolume)?;
    fs::write(place.path(subvolume).join("file"), "content")?;
    let source = File::open(place.path(subvolume))?;
    demand(btrfs::is_subvolume(&source)?, "what was created is no subvolume")?;
    btrfs::snapshot(&source, place.dir(), snapshot, Access::Writable)?;
    fs::remove_file(place.path(snapshot).join("file"))?;
    demand(
        place.path(subvolume).join("file").exists(),
        "a snapshot is not independent",
    )?;
    let copy = File::open(place.path(snapshot))?;
    btrfs::set_access(&copy, Access::ReadOnly)?;
    btrfs::set_access(&copy, Access::Writable)?;
    btrfs::delete_subvolume(place.dir(), snapshot)?;
    btrfs::delete_subvolume(place.dir(), subvolume)?;
    Ok(())
}

pub(crate) fn hard_link(place: &Place) -> Outcome {
    let file = place.file("link-source")?;
    fs::hard_link(place.path(b"link-source"), place.path(b"link"))?;
    demand(file.metadata()?.nlink() == 2, "links are not counted")
}

pub(crate) fn symlink(place: &Place) -> Outcome {
    // Nothing is there: a link's target is only text.
    std::os::unix::fs::symlink("../nothing \u{e4}", place.path(b"symlink"))?;
    let target = fs::read_link(place.path(b"symlink"))?;
    demand(
        target.as_os_str() == "../nothing \u{e4}",
        "a symbolic link has another target",
    )
}

pub(crate) fn fifo(place: &Place) -> Outcome {
    Ok(mknodat(place.dir(), "fifo", FileType::Fifo, Mode::RUSR, 0)?)
}

pub(crate) fn device_node(place: &Place) -> Outcome {
    let null = makedev(1, 3);
    mknodat(place.dir(), "device", FileType::CharacterDevice, Mode::RUSR, null)?;
    demand(
        fs::symlink_metadata(place.path(b"device"))?.rdev() == null,
        "a device node has another number",
    )
}

pub(crate) fn user_xattr(place: &Place) -> Outcome {
    let file = place.file("xattr")?;
    Ok(fsetxattr(&file, "user.probe", b"\0\xff", XattrFlags::CREATE)?)
}

pub(crate) fn posix_acl(place: &Place) -> Outcome {
    /// Version 2, then tag, permissions and id of each entry: owner rw, user 1 r, group r, mask r, others none.
    const ACL: [u8; 44] = [
        2, 0, 0, 0, // version
        1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, // ACL_USER_OBJ
        2, 0, 4, 0, 1, 0, 0, 0, // ACL_USER 1
        4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, // ACL_GROUP_OBJ
        16, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, // ACL_MASK
        32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, // ACL_OTHER
    ];
    let file = place.file("acl")?;
    Ok(fsetxattr(
        &file,
        "system.posix_acl_access",
        &ACL,
        XattrFlags::empty(),
    )?)
}

pub(crate) fn chown(place: &Place) -> Outcome {
    let file = place.file("chown")?;
    std::os::unix::fs::fchown(&file, Some(12_345), Some(54_321))?;
    let owner = file.metadata()?;
    demand(
        (owner.uid(), owner.gid()) == (12_345, 54_321),
        "owners are not kept",
    )
}

pub(crate) fn chmod(place: &Place) -> Outcome {
    let file = place.file("chmod")?;
    for mode in [0o640, 0o751] {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        demand(
            file.metadata()?.permissions().mode() & 0o7777 == mode,
            "permission bits are not kept",
        )?;
    }
    Ok(())
}

pub(crate) fn nanosecond_times(place: &Place) -> Outcome {
    let file = place.file("times")?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_891, 123_456_789);
    file.set_modified(time)?;
    file.sync_all()?;
    demand(file.metadata()?.modified()? == time, "times are rounded")
}

pub(crate) fn long_names(place: &Place) -> Outcome {
    File::create_new(place.path(&[b'n'; crate::name::NAME_MAX_BYTES]))?;
    Ok(())
}

pub(crate) fn byte_names(place: &Place) -> Outcome {
    // Invalid UTF-8, a newline and what Windows forbids; then two pairs that some file systems take for one.
    for name in [
        &b"bytes-\xff\xfe\n:*?\""[..],
        b"bytes-a",
        b"bytes-A",
        b"bytes-\xc3\xa4",
        b"bytes-a\xcc\x88",
    ] {
        File::create_new(place.path(name))?;
    }
    Ok(())
}

pub(crate) fn rename_exchange(place: &Place) -> Outcome {
    fs::create_dir(place.path(b"exchange-dir"))?;
    rustix::fs::symlinkat("x", CWD, place.path(b"exchange-link"))?;
    crate::rename_exchange(place.dir(), b"exchange-dir", place.dir(), b"exchange-link")?;
    demand(place.path(b"exchange-link").is_dir(), "names were not exchanged")
}
