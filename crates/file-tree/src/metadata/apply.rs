//! Applying metadata: as much as permissions and the file system allow, and a list of the rest.
//!
//! ORDER: owner, mode, attributes, times, flags. Changing the owner takes setuid, setgid and capabilities
//! away, so these follow it; all else changes times; with the immutable flag set nothing can follow.

use std::fmt;
use std::fs::File;

use manifest::{InodeFlags, Metadata, Timestamp, Xattr};
use rustix::fs::{IFlags, Timespec, Timestamps, UTIME_OMIT, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use crate::error::failed;
use crate::name::shown;
use crate::stat::{FileType, Stat};
use crate::{Error, Names, Operation, Result};

use super::handle::Handle;
use super::{PROTECTION, Target, xattr};

/// How metadata is applied.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// Whom the entry shall belong to.
    pub owners: Owners<'a>,
    /// What the entry may have already.
    pub prior: Prior,
    /// Which inode flags are made as wanted; the others stay as they are.
    pub flags: InodeFlags,
}

/// Whom an entry shall belong to.
#[derive(Clone, Copy, Debug)]
pub enum Owners<'a> {
    /// The numbers, whatever they mean here.
    Numeric,
    /// The users and groups with these names, or the numbers where a name is unknown here.
    ByName(&'a Names),
}

/// What an entry has before metadata is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Nothing: it was just created, in a directory without a default access list. Nothing is looked for.
    Fresh,
    /// Anything: attributes that aren't wanted are removed, protecting flags are taken off first.
    Unknown,
}

/// A part of an entry's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The owner.
    Owner,
    /// The group.
    Group,
    /// The permission bits, or only setuid and setgid: these are left away where the owner or group could not
    /// be set.
    Mode,
    /// The attribute of this name.
    Xattr(Box<[u8]>),
    /// These inode flags.
    Flags(InodeFlags),
    /// The time of modification.
    Times,
}

/// Something that could not be applied; the entry is without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotApplied {
    /// What.
    pub what: Aspect,
    /// What the kernel said to it.
    pub why: Errno,
}

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Aspect::Owner => f.write_str("owner")?,
            Aspect::Group => f.write_str("group")?,
            Aspect::Mode => f.write_str("mode")?,
            Aspect::Xattr(name) => write!(f, "attribute {}", shown(name))?,
            Aspect::Flags(flags) => write!(f, "inode flags {:#x}", flags.0)?,
            Aspect::Times => f.write_str("modification time")?,
        }
        write!(f, ": {}", self.why)
    }
}

/// Makes the target's metadata as `wanted`, and returns what could not be done for want of permission or
/// support.
///
/// Fails only where the file system itself does: I/O errors, no space, read-only. Inode number, ctime and the
/// opaque part are nothing that can be applied. Costs one stat, and then only calls that change something.
pub fn apply<'a>(
    target: impl Into<Target<'a>>,
    wanted: &Metadata,
    how: Apply<'_>,
) -> Result<Vec<NotApplied>> {
    let target = target.into();
    let handle = Handle::new(target, Operation::ApplyMetadata)?;
    let present = handle.stat().map_err(failed(Operation::Stat, target.name()))?;
    let applying = Applying {
        handle,
        present,
        wanted,
        how,
        refused: Vec::new(),
    };
    applying
        .run()
        .map_err(failed(Operation::ApplyMetadata, target.name()))
}

/// Sets the flags that only an empty file takes (no copy-on-write, compression), before content is written to
/// it.
pub fn prepare_empty_file(file: &File, wanted: InodeFlags) -> Result<Vec<NotApplied>> {
    let early = wanted.0 & (InodeFlags::NOCOW.0 | InodeFlags::COMPRESS.0);
    if early == 0 {
        return Ok(Vec::new());
    }
    let set =
        ioctl_getflags(file).and_then(|flags| ioctl_setflags(file, flags | IFlags::from_bits_retain(early)));
    match set {
        Ok(()) => Ok(Vec::new()),
        Err(why) if is_refusal(why) => Ok(vec![NotApplied {
            what: Aspect::Flags(InodeFlags(early)),
            why,
        }]),
        Err(errno) => Err(Error::new(
            Operation::ApplyMetadata,
            Target::from(file).name(),
            errno,
        )),
    }
}

struct Applying<'a> {
    handle: Handle<'a>,
    /// What the target was like before.
    present: Stat,
    wanted: &'a Metadata,
    how: Apply<'a>,
    refused: Vec<NotApplied>,
}

impl Applying<'_> {
    fn run(mut self) -> Result<Vec<NotApplied>, Errno> {
        let attributes = self.present.attributes;
        if attributes.is_immutable() || attributes.is_append_only() {
            // What it keeps from being set is noted there.
            let _ = self
                .handle
                .flags()
                .and_then(|flags| self.handle.set_flags(flags.difference(PROTECTION)));
        }
        let has_new_owner = self.owner()?;
        let mode = self.mode(has_new_owner)?;
        match self.how.prior {
            Prior::Fresh => self.set_xattrs(mode)?,
            Prior::Unknown => self.replace_xattrs(mode)?,
        }
        self.times()?;
        self.flags()?;
        Ok(self.refused)
    }

    /// Notes a refusal; anything worse ends the whole.
    fn note(&mut self, what: Aspect, done: Result<(), Errno>) -> Result<(), Errno> {
        match done {
            Err(why) if is_refusal(why) => {
                self.refused.push(NotApplied { what, why });
                Ok(())
            }
            done => done,
        }
    }

    fn is_refused(&self, what: &Aspect) -> bool {
        self.refused.iter().any(|refused| refused.what == *what)
    }

    /// Sets owner and group and returns whether anything was changed.
    fn owner(&mut self) -> Result<bool, Errno> {
        let Metadata {
            uid,
            gid,
            user,
            group,
            ..
        } = self.wanted;
        let (uid, gid) = match self.how.owners {
            Owners::Numeric => (*uid, *gid),
            Owners::ByName(names) => (
                user.as_deref().and_then(|user| names.uid(user)).unwrap_or(*uid),
                group
                    .as_deref()
                    .and_then(|group| names.gid(group))
                    .unwrap_or(*gid),
            ),
        };
        let uid = Some(uid).filter(|&uid| uid != self.present.uid);
        let gid = Some(gid).filter(|&gid| gid != self.present.gid);
        if uid.is_none() && gid.is_none() {
            return Ok(false);
        }
        match self.handle.set_owner(uid, gid) {
            Err(errno) if is_refusal(errno) => {}
            done => return done.map(|()| true),
        }
        // One of the two may be allowed: whoever is in a group may give files to it.
        if uid.is_some() {
            let done = self.handle.set_owner(uid, None);
            self.note(Aspect::Owner, done)?;
        }
        if gid.is_some() {
            let done = self.handle.set_owner(None, gid);
            self.note(Aspect::Group, done)?;
        }
        Ok(true)
    }

    /// Sets the permission bits and returns them.
    fn mode(&mut self, has_new_owner: bool) -> Result<u32, Errno> {
        let wanted = self.wanted.mode & 0o7777;
        if self.present.kind == FileType::Symlink {
            return Ok(wanted);
        }
        // Never setuid or setgid for somebody whom it was not meant for.
        let mut mode = wanted;
        if self.is_refused(&Aspect::Owner) {
            mode &= !0o4000;
        }
        if self.is_refused(&Aspect::Group) && self.present.kind != FileType::Directory {
            mode &= !0o2000;
        }
        if mode != wanted {
            self.refused.push(NotApplied {
                what: Aspect::Mode,
                why: Errno::PERM,
            });
        }
        let was_cleared = has_new_owner && mode & 0o6000 != 0;
        if u32::from(self.present.mode) != mode || was_cleared {
            let done = self.handle.set_mode(mode);
            self.note(Aspect::Mode, done)?;
        }
        Ok(mode)
    }

    /// Sets all wanted attributes.
    fn set_xattrs(&mut self, mode: u32) -> Result<(), Errno> {
        let wanted = self.wanted;
        for xattr in wanted.xattrs.iter().filter(|xattr| xattr::is_kept(&xattr.name)) {
            self.set_xattr(xattr, mode)?;
        }
        Ok(())
    }

    /// Sets the wanted attributes that are missing or different, and removes the others.
    fn replace_xattrs(&mut self, mode: u32) -> Result<(), Errno> {
        let wanted = self.wanted;
        let present = xattr::names(&self.handle)?;
        for name in &present {
            if !wanted.xattrs.iter().any(|xattr| xattr.name == *name) {
                let done = match self.handle.remove_xattr(name) {
                    Err(Errno::NODATA) => Ok(()),
                    done => done,
                };
                self.note(Aspect::Xattr(name.clone()), done)?;
            }
        }
        for xattr in wanted.xattrs.iter().filter(|xattr| xattr::is_kept(&xattr.name)) {
            let is_present = present.contains(&xattr.name);
            if !is_present || xattr::value(&self.handle, &xattr.name)?.as_ref() != Some(&xattr.value) {
                self.set_xattr(xattr, mode)?;
            }
        }
        Ok(())
    }

    fn set_xattr(&mut self, xattr: &Xattr, mode: u32) -> Result<(), Errno> {
        let mut done = self.handle.set_xattr(&xattr.name, &xattr.value);
        if done == Err(Errno::ACCESS) && self.present.kind != FileType::Symlink {
            // An owner who is not root needs write permission for `user.` attributes.
            if self.handle.set_mode(mode | 0o600).is_ok() {
                done = self.handle.set_xattr(&xattr.name, &xattr.value);
                self.handle.set_mode(mode)?;
            }
        }
        // Attributes have limits of their own: a full file system shows soon enough elsewhere.
        if matches!(done, Err(Errno::NOSPC | Errno::TOOBIG | Errno::RANGE)) {
            let why = done.err().unwrap_or(Errno::NOSPC);
            self.refused.push(NotApplied {
                what: Aspect::Xattr(xattr.name.clone()),
                why,
            });
            return Ok(());
        }
        self.note(Aspect::Xattr(xattr.name.clone()), done)
    }

    fn times(&mut self) -> Result<(), Errno> {
        let Timestamp { secs, nanos } = self.wanted.mtime;
        // Larger values have a special meaning to the kernel.
        if nanos >= 1_000_000_000 {
            return self.note(Aspect::Times, Err(Errno::INVAL));
        }
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: secs,
                tv_nsec: nanos.into(),
            },
        };
        let done = self.handle.set_times(&times);
        self.note(Aspect::Times, done)
    }

    fn flags(&mut self) -> Result<(), Errno> {
        let mask = self.how.flags.0;
        let wanted = self.wanted.flags.0 & mask;
        let can_have = matches!(self.present.kind, FileType::File | FileType::Directory);
        if !can_have || mask == 0 || (self.how.prior == Prior::Fresh && wanted == 0) {
            return Ok(());
        }
        let present = match self.handle.flags() {
            Ok(flags) => flags.bits(),
            Err(_) if wanted == 0 => return Ok(()),
            Err(errno) => return self.note(Aspect::Flags(InodeFlags(wanted)), Err(errno)),
        };
        let differing = (present & mask) ^ wanted;
        if differing == 0 {
            return Ok(());
        }
        match self
            .handle
            .set_flags(IFlags::from_bits_retain(present ^ differing))
        {
            Err(errno) if is_refusal(errno) => self.flags_one_by_one(present, differing),
            done => done,
        }
    }

    /// Sets what can be set: file systems refuse all flags for the sake of one. Protection comes last.
    fn flags_one_by_one(&mut self, mut present: u32, differing: u32) -> Result<(), Errno> {
        let (mut refused, mut why) = (0, Errno::PERM);
        let bits = (0..u32::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| differing & bit != 0);
        let (last, first): (Vec<u32>, Vec<u32>) = bits.partition(|bit| PROTECTION.bits() & bit != 0);
        for bit in first.into_iter().chain(last) {
            match self.handle.set_flags(IFlags::from_bits_retain(present ^ bit)) {
                Ok(()) => present ^= bit,
                Err(errno) if is_refusal(errno) => (refused, why) = (refused | bit, errno),
                Err(errno) => return Err(errno),
            }
        }
        if refused != 0 {
            self.refused.push(NotApplied {
                what: Aspect::Flags(InodeFlags(refused)),
                why,
            });
        }
        Ok(())
    }
}

/// Returns whether the kernel's answer means "not here" or "not you", and not that something is broken.
fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::PERM
            | Errno::ACCESS
            | Errno::OPNOTSUPP
            | Errno::NOTTY
            | Errno::INVAL
            | Errno::NOSYS
            | Errno::OVERFLOW
    )
}
