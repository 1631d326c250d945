//! Bytes to entries: first to views that borrow, which check everything and allocate nothing, from there to
//! entries that own.

use std::sync::Arc;

use super::owners::{Owner, Owners};
use super::view::{EntryRef, KindRef};
use super::{MAX_MODE, MAX_NANOS, MAX_OWNER_NAME_BYTES, is_file_path, is_link_target, is_xattr_name, tag};
use crate::codec::{Input, unzigzag};
use crate::content::{ContentHash, block_count, keeps_block_hashes};
use crate::entry::{Entry, InodeFlags, Metadata, Timestamp, Xattr};
use crate::error::Result;
use crate::path::name_fault;

/// Decodes the entries of one record, or of one delta, one after the other.
#[derive(Debug, Default)]
pub(crate) struct EntryDecoder<'a> {
    owners: Owners<'a>,
    /// Names of the owners seen, as entries share them.
    names: Vec<OwnerNames>,
    mtime_secs: i64,
    ino: u64,
}

type OwnerNames = (Option<Arc<str>>, Option<Arc<str>>);

impl<'a> EntryDecoder<'a> {
    /// Decodes an entry whose content is known.
    pub(crate) fn entry(&mut self, input: &mut Input<'a>) -> Result<EntryRef<'a>> {
        let (entry, pending) = self.any_entry(input)?;
        if pending {
            Err(input.fault("a file's content hash is missing"))
        } else {
            Ok(entry)
        }
    }

    /// Decodes an entry, and tells whether it is a file whose content has still to be looked at.
    pub(crate) fn any_entry(&mut self, input: &mut Input<'a>) -> Result<(EntryRef<'a>, bool)> {
        let len_bytes = input.byte()?;
        let name = input.take(usize::from(len_bytes))?;
        if let Some(what) = name_fault(name) {
            return Err(input.fault(what));
        }
        let tag = input.byte()?;
        let mut entry = self.metadata(name, tag, input)?;
        entry.kind = kind(tag, input)?;
        Ok((entry, tag & tag::PENDING != 0))
    }

    /// Decodes the metadata of a directory, which has no name.
    pub(crate) fn directory(&mut self, input: &mut Input<'a>) -> Result<Metadata> {
        let tag = input.byte()?;
        if tag & (tag::KIND | tag::PENDING | tag::BLOCK_HASHES) != tag::DIRECTORY {
            return Err(input.fault("a directory's metadata are of another kind"));
        }
        let entry = self.metadata(b"", tag, input)?;
        Ok(self.own_metadata(&entry))
    }

    #[inline]
    fn metadata(&mut self, name: &'a [u8], tag: u8, input: &mut Input<'a>) -> Result<EntryRef<'a>> {
        let mode = input.varint_u32()?;
        if mode > MAX_MODE {
            return Err(input.fault("a mode has more than permission bits"));
        }
        let (owner, uid, gid) = self.owner(input)?;
        let mtime_secs = self.mtime_secs.wrapping_add(unzigzag(input.varint()?));
        let mtime_nanos = input.varint_u32()?;
        let ctime_secs = mtime_secs.wrapping_add(unzigzag(input.varint()?));
        let ctime_nanos = input.varint_u32()? ^ mtime_nanos;
        if mtime_nanos > MAX_NANOS || ctime_nanos > MAX_NANOS {
            return Err(input.fault("a time has more than 999,999,999 nanoseconds"));
        }
        let ino = self.ino.wrapping_add(unzigzag(input.varint()?) as u64);
        (self.mtime_secs, self.ino) = (mtime_secs, ino);
        let mut entry = EntryRef {
            name,
            mode,
            uid,
            gid,
            mtime: Timestamp {
                secs: mtime_secs,
                nanos: mtime_nanos,
            },
            ctime: Timestamp {
                secs: ctime_secs,
                nanos: ctime_nanos,
            },
            ino,
            flags: InodeFlags::default(),
            kind: KindRef::Directory,
            owner,
            xattrs: b"",
            opaque: b"",
        };
        if tag & (tag::FLAGS | tag::XATTRS | tag::OPAQUE) != 0 {
            rare_metadata(&mut entry, tag, input)?;
        }
        Ok(entry)
    }

    #[inline]
    fn owner(&mut self, input: &mut Input<'a>) -> Result<(usize, u32, u32)> {
        let at = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        if let Some(owner) = self.owners.get(at) {
            return Ok((at, owner.uid, owner.gid));
        }
        if at != self.owners.len() {
            return Err(input.fault("an owner is not known"));
        }
        let (uid, gid) = (input.varint_u32()?, input.varint_u32()?);
        let owner = Owner {
            uid,
            gid,
            user: owner_name(input)?,
            group: owner_name(input)?,
        };
        if self.owners.find(&owner).is_some() {
            return Err(input.fault("an owner is there twice"));
        }
        self.owners.add(owner);
        Ok((at, uid, gid))
    }

    /// Makes an entry, which this decoder has decoded, own its parts.
    pub(crate) fn own(&mut self, entry: &EntryRef<'a>) -> Entry {
        Entry {
            name: entry.name.into(),
            metadata: self.own_metadata(entry),
            kind: entry.kind.to_kind(),
        }
    }

    fn own_metadata(&mut self, entry: &EntryRef<'a>) -> Metadata {
        for at in self.names.len()..=entry.owner {
            let owner = self.owners.get(at);
            let user = owner.and_then(|owner| owner.user).map(Arc::from);
            self.names
                .push((user, owner.and_then(|owner| owner.group).map(Arc::from)));
        }
        let (user, group) = self.names[entry.owner].clone();
        Metadata {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            user,
            group,
            mtime: entry.mtime,
            ctime: entry.ctime,
            ino: entry.ino,
            flags: entry.flags,
            xattrs: owned_xattrs(entry.xattrs),
            opaque: entry.opaque.into(),
        }
    }
}

fn owner_name<'a>(input: &mut Input<'a>) -> Result<Option<&'a str>> {
    match usize::try_from(input.varint()?).unwrap_or(usize::MAX) {
        0 => Ok(None),
        len if len - 1 > MAX_OWNER_NAME_BYTES => Err(input.fault("an owner's name is too long")),
        len => {
            let name = std::str::from_utf8(input.take(len - 1)?);
            name.map(Some)
                .map_err(|_| input.fault("an owner's name is not UTF-8"))
        }
    }
}

/// Decodes what few entries have.
fn rare_metadata<'a>(entry: &mut EntryRef<'a>, tag: u8, input: &mut Input<'a>) -> Result<()> {
    if tag & tag::FLAGS != 0 {
        entry.flags = InodeFlags(input.varint_u32()?);
        if entry.flags.is_empty() {
            return Err(input.fault("inode flags are there and empty"));
        }
    }
    if tag & tag::XATTRS != 0 {
        let before = input.rest();
        let count = input.count(2)?;
        if count == 0 {
            return Err(input.fault("extended attributes are there and empty"));
        }
        let mut previous: &[u8] = b"";
        for _ in 0..count {
            let name = input.bytes()?;
            if !is_xattr_name(name) {
                return Err(input.fault("the name of an extended attribute is invalid"));
            }
            if name <= previous {
                return Err(input.fault("extended attributes are out of order"));
            }
            previous = name;
            input.bytes()?;
        }
        entry.xattrs = &before[..before.len() - input.remaining()];
    }
    if tag & tag::OPAQUE != 0 {
        entry.opaque = input.bytes()?;
        if entry.opaque.is_empty() {
            return Err(input.fault("opaque metadata are there and empty"));
        }
    }
    Ok(())
}

/// Makes extended attributes, which have been checked, own their parts.
fn owned_xattrs(encoded: &[u8]) -> Vec<Xattr> {
    if encoded.is_empty() {
        return Vec::new();
    }
    let mut input = Input::new(encoded, "extended attributes");
    let count = input.count(2).unwrap_or(0);
    let mut one = || {
        Some(Xattr {
            name: input.bytes().ok()?.into(),
            value: input.bytes().ok()?.into(),
        })
    };
    (0..count).map_while(|_| one()).collect()
}

#[inline]
fn kind<'a>(tag: u8, input: &mut Input<'a>) -> Result<KindRef<'a>> {
    let kind = tag & tag::KIND;
    if kind == tag::FILE {
        return file(tag, input);
    }
    if tag & (tag::BLOCK_HASHES | tag::PENDING) != 0 {
        return Err(input.fault("something without content has the flags of a file"));
    }
    Ok(match kind {
        tag::VOLUME => KindRef::Volume {
            size: input.varint()?,
            hash: hash(input)?,
        },
        tag::DIRECTORY => KindRef::Directory,
        tag::SYMLINK => {
            let target = input.bytes()?;
            if !is_link_target(target) {
                return Err(input.fault("a link's target is invalid"));
            }
            KindRef::Symlink { target }
        }
        tag::HARD_LINK => {
            let target = input.bytes()?;
            if !is_file_path(target) {
                return Err(input.fault("a link's target is invalid"));
            }
            KindRef::HardLink { target }
        }
        tag::FIFO => KindRef::Fifo,
        tag::CHAR_DEVICE => KindRef::CharDevice {
            major: input.varint_u32()?,
            minor: input.varint_u32()?,
        },
        tag::BLOCK_DEVICE => KindRef::BlockDevice {
            major: input.varint_u32()?,
            minor: input.varint_u32()?,
        },
        _ => return Err(input.fault("an entry is of no known kind")),
    })
}

#[inline]
fn file<'a>(tag: u8, input: &mut Input<'a>) -> Result<KindRef<'a>> {
    let size = input.varint()?;
    if tag & tag::PENDING != 0 {
        if tag & tag::BLOCK_HASHES != 0 {
            return Err(input.fault("a file without hash has block hashes"));
        }
        return Ok(KindRef::File {
            size,
            hash: ContentHash::PENDING,
            block_hashes: b"",
        });
    }
    let hash = hash(input)?;
    let mut block_hashes: &[u8] = b"";
    if tag & tag::BLOCK_HASHES != 0 {
        if !keeps_block_hashes(size) {
            return Err(input.fault("block hashes don't fit the file's size"));
        }
        block_hashes = input.take(block_count(size) as usize * 32)?;
    }
    Ok(KindRef::File {
        size,
        hash,
        block_hashes,
    })
}

fn hash(input: &mut Input<'_>) -> Result<ContentHash> {
    let hash = ContentHash(input.array()?);
    if hash == ContentHash::PENDING {
        return Err(input.fault("a file's content hash is missing"));
    }
    Ok(hash)
}
