//! Metadata in a backup's tree: applied as far as this server may, since the manifest is what counts.
//!
//! Inode flags are never set in a tree: an immutable file could be neither linked nor deleted, and flags like
//! no-copy-on-write would change how the storage works. Nothing that can't be applied is an error; it is counted.

use std::borrow::Cow;
use std::fs::File;

use file_tree::metadata::{Apply, Owners, Prior, Target, apply};
use file_tree::{Dir, Names, Stat};
use manifest::{InodeFlags, Metadata, Timestamp, Xattr};
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, XattrFlags};
use rustix::io::Errno;

/// The default access list of a directory, which new entries inherit.
const DEFAULT_ACL: &str = "system.posix_acl_default";
/// The longest value of an attribute (XATTR_SIZE_MAX).
const XATTR_MAX_BYTES: usize = 65536;

/// How far metadata was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Fidelity {
    /// Everything that is kept in a tree.
    Complete,
    /// Something could not be set.
    Reduced,
}

/// Applies metadata with the rights that this process has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    is_root: bool,
}

impl Attributes {
    pub fn of_this_process() -> Self {
        Self {
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// Applies to a file that has just been made, in a directory without default access list.
    pub fn apply_new(&self, file: &File, metadata: &Metadata) -> file_tree::Result<Fidelity> {
        self.apply(Target::from(file), metadata, Prior::Fresh, 0o400)
    }

    /// Applies to a file that may have other metadata.
    pub fn apply_over(&self, file: &File, metadata: &Metadata) -> file_tree::Result<Fidelity> {
        self.apply(Target::from(file), metadata, Prior::Unknown, 0o400)
    }

    /// Applies to a directory that may have other metadata.
    pub fn apply_dir(&self, dir: &Dir, metadata: &Metadata) -> file_tree::Result<Fidelity> {
        self.apply(Target::from(dir), metadata, Prior::Unknown, 0o700)
    }

    /// Applies to an entry that can't be opened: a symbolic link, FIFO or device.
    pub fn apply_at(&self, dir: &Dir, name: &[u8], metadata: &Metadata) -> file_tree::Result<Fidelity> {
        self.apply(Target::At(dir, name), metadata, Prior::Unknown, 0)
    }

    /// Whether the entry `name` has this metadata already, as far as it could be applied here.
    pub fn are(&self, dir: &Dir, name: &[u8], stat: &Stat, wanted: &Metadata) -> file_tree::Result<bool> {
        if !self.look_alike(stat, wanted) {
            return Ok(false);
        }
        let present = file_tree::metadata::read(Target::At(dir, name), stat, &Names::fixed(&[], &[]))?;
        // XFS shows access lists under a second name.
        let is_alias = |xattr: &Xattr| xattr.name.starts_with(b"trusted.SGI_ACL_");
        let counts = |xattr: &&Xattr| (self.is_root || xattr.name.starts_with(b"user.")) && !is_alias(xattr);
        Ok(present
            .xattrs
            .iter()
            .filter(counts)
            .eq(wanted.xattrs.iter().filter(counts)))
    }

    /// Whether a stat shows this metadata, as far as it shows any and could be applied here.
    pub fn look_alike(&self, stat: &Stat, wanted: &Metadata) -> bool {
        let same_owner = !self.is_root || (stat.uid == wanted.uid && stat.gid == wanted.gid);
        let (own, kept) = if self.is_root { (0, 0o7777) } else { (0o400, 0o777) };
        same_owner && stat.mtime == wanted.mtime && u32::from(stat.mode) & kept == (wanted.mode | own) & kept
    }

    /// `own` are the bits without which a server that is not root could not get at its own files.
    fn apply(
        &self,
        target: Target<'_>,
        metadata: &Metadata,
        prior: Prior,
        own: u32,
    ) -> file_tree::Result<Fidelity> {
        let wanted = if self.is_root || metadata.mode & own == own {
            Cow::Borrowed(metadata)
        } else {
            Cow::Owned(Metadata {
                mode: metadata.mode | own,
                ..metadata.clone()
            })
        };
        let how = Apply {
            owners: Owners::Numeric,
            prior,
            flags: InodeFlags(0),
        };
        let refused = apply(target, &wanted, how)?;
        let is_complete = refused.is_empty() && matches!(wanted, Cow::Borrowed(_));
        Ok(if is_complete {
            Fidelity::Complete
        } else {
            Fidelity::Reduced
        })
    }
}

/// The default access list that was taken from a directory, so that what is made in it does not inherit it.
#[derive(Debug)]
pub(crate) struct DefaultAcl {
    value: Option<Vec<u8>>,
}

impl DefaultAcl {
    /// Takes the list away, if there is one.
    pub fn take(dir: &Dir) -> Result<Self, Errno> {
        let mut probe = [0; 0];
        match rustix::fs::fgetxattr(dir, DEFAULT_ACL, &mut probe) {
            Ok(_) | Err(Errno::RANGE) => {}
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Self { value: None }),
            Err(errno) => return Err(errno),
        }
        let mut value = vec![0; XATTR_MAX_BYTES];
        let len_bytes = rustix::fs::fgetxattr(dir, DEFAULT_ACL, &mut value)?;
        value.truncate(len_bytes);
        match rustix::fs::fremovexattr(dir, DEFAULT_ACL) {
            Ok(()) => Ok(Self { value: Some(value) }),
            Err(Errno::PERM | Errno::ACCESS) => Ok(Self { value: None }),
            Err(errno) => Err(errno),
        }
    }

    /// Gives the list back.
    pub fn restore(&self, dir: &Dir) -> Result<(), Errno> {
        match &self.value {
            Some(value) => rustix::fs::fsetxattr(dir, DEFAULT_ACL, value, XattrFlags::empty()),
            None => Ok(()),
        }
    }
}

/// Sets a directory's time of modification back to what it was before entries were made in it.
pub(crate) fn set_mtime(dir: &Dir, mtime: Timestamp) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: mtime.secs,
            tv_nsec: mtime.nanos.min(999_999_999).into(),
        },
    };
    match rustix::fs::futimens(dir, &times) {
        // A time that the file system can't represent, or a directory that belongs to somebody else.
        Err(Errno::INVAL | Errno::OVERFLOW | Errno::PERM | Errno::ACCESS) => Ok(()),
        set => set,
    }
}
