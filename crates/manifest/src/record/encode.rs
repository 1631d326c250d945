//! Entries to bytes.

use std::sync::Arc;

use super::owners::{Owner, Owners};
use super::{MAX_MODE, MAX_NANOS, MAX_OWNER_NAME_BYTES, is_file_path, is_link_target, is_xattr_name, tag};
use crate::codec::{put_bytes, put_varint, zigzag};
use crate::content::{BlockHash, ContentHash, block_count, keeps_block_hashes};
use crate::entry::{Entry, Kind, Metadata, Xattr};
use crate::error::{Error, Result};
use crate::path::name_fault;

/// Encodes the entries of one record, or of one delta, one after the other.
#[derive(Debug, Default)]
pub(crate) struct EntryEncoder<'a> {
    owners: Owners<'a>,
    mtime_secs: i64,
    ino: u64,
}

impl<'a> EntryEncoder<'a> {
    /// Encodes an entry whose content is known.
    pub(crate) fn entry(&mut self, entry: &'a Entry, out: &mut Vec<u8>) -> Result<()> {
        if entry.hash() == Some(ContentHash::PENDING) {
            return Err(invalid(&entry.name, "its content hash is not known"));
        }
        self.named(entry, 0, out)
    }

    /// Encodes a file whose content has still to be looked at.
    pub(crate) fn pending(&mut self, entry: &'a Entry, out: &mut Vec<u8>) -> Result<()> {
        if !matches!(entry.kind, Kind::File { .. }) {
            return Err(invalid(&entry.name, "only regular files can be pending"));
        }
        self.named(entry, tag::PENDING, out)
    }

    /// Encodes the metadata of a directory, without a name.
    pub(crate) fn directory(&mut self, metadata: &'a Metadata, out: &mut Vec<u8>) -> Result<()> {
        match metadata_fault(metadata) {
            Some(what) => Err(invalid(b"", what)),
            None => {
                self.metadata(metadata, tag::DIRECTORY, out);
                Ok(())
            }
        }
    }

    fn named(&mut self, entry: &'a Entry, pending: u8, out: &mut Vec<u8>) -> Result<()> {
        let fault = name_fault(&entry.name)
            .or_else(|| metadata_fault(&entry.metadata))
            .or_else(|| kind_fault(&entry.kind, pending));
        if let Some(what) = fault {
            return Err(invalid(&entry.name, what));
        }
        // One byte, for a name has 255 at most.
        out.push(entry.name.len() as u8);
        out.extend_from_slice(&entry.name);
        self.metadata(&entry.metadata, kind_tag(&entry.kind, pending) | pending, out);
        put_kind(&entry.kind, pending, out);
        Ok(())
    }

    fn metadata(&mut self, metadata: &'a Metadata, mut tag: u8, out: &mut Vec<u8>) {
        if !metadata.xattrs.is_empty() {
            tag |= tag::XATTRS;
        }
        if !metadata.flags.is_empty() {
            tag |= tag::FLAGS;
        }
        if !metadata.opaque.is_empty() {
            tag |= tag::OPAQUE;
        }
        out.push(tag);
        put_varint(out, u64::from(metadata.mode));
        self.owner(metadata, out);
        let (mtime, ctime) = (metadata.mtime, metadata.ctime);
        put_varint(out, zigzag(mtime.secs.wrapping_sub(self.mtime_secs)));
        put_varint(out, u64::from(mtime.nanos));
        put_varint(out, zigzag(ctime.secs.wrapping_sub(mtime.secs)));
        put_varint(out, u64::from(ctime.nanos ^ mtime.nanos));
        put_varint(out, zigzag(metadata.ino.wrapping_sub(self.ino) as i64));
        (self.mtime_secs, self.ino) = (mtime.secs, metadata.ino);
        if !metadata.flags.is_empty() {
            put_varint(out, u64::from(metadata.flags.0));
        }
        if !metadata.xattrs.is_empty() {
            put_varint(out, metadata.xattrs.len() as u64);
            for Xattr { name, value } in &metadata.xattrs {
                put_bytes(out, name);
                put_bytes(out, value);
            }
        }
        if !metadata.opaque.is_empty() {
            put_bytes(out, &metadata.opaque);
        }
    }

    fn owner(&mut self, metadata: &'a Metadata, out: &mut Vec<u8>) {
        let owner = Owner {
            uid: metadata.uid,
            gid: metadata.gid,
            user: metadata.user.as_deref(),
            group: metadata.group.as_deref(),
        };
        if let Some(at) = self.owners.find(&owner) {
            return put_varint(out, at as u64);
        }
        put_varint(out, self.owners.len() as u64);
        self.owners.add(owner);
        put_varint(out, u64::from(owner.uid));
        put_varint(out, u64::from(owner.gid));
        put_owner_name(owner.user, out);
        put_owner_name(owner.group, out);
    }
}

/// The name behind its length plus one; 0 where there is none.
fn put_owner_name(name: Option<&str>, out: &mut Vec<u8>) {
    match name {
        None => out.push(0),
        Some(name) => {
            put_varint(out, name.len() as u64 + 1);
            out.extend_from_slice(name.as_bytes());
        }
    }
}

fn invalid(name: &[u8], what: &'static str) -> Error {
    Error::InvalidEntry {
        name: name.into(),
        what,
    }
}

fn metadata_fault(metadata: &Metadata) -> Option<&'static str> {
    let long = |name: &Option<Arc<str>>| {
        name.as_ref()
            .is_some_and(|name| name.len() > MAX_OWNER_NAME_BYTES)
    };
    if metadata.mode > MAX_MODE {
        Some("its mode has more than permission bits")
    } else if metadata.mtime.nanos > MAX_NANOS || metadata.ctime.nanos > MAX_NANOS {
        Some("a time has more than 999,999,999 nanoseconds")
    } else if long(&metadata.user) || long(&metadata.group) {
        Some("an owner's name is too long")
    } else if metadata.xattrs.iter().any(|xattr| !is_xattr_name(&xattr.name)) {
        Some("the name of an extended attribute is invalid")
    } else if !metadata.xattrs.is_sorted_by(|a, b| a.name < b.name) {
        Some("extended attributes are out of order")
    } else {
        None
    }
}

fn kind_fault(kind: &Kind, pending: u8) -> Option<&'static str> {
    match kind {
        Kind::File {
            size, block_hashes, ..
        } if pending == 0 && !block_hashes.is_empty() => {
            let fit = keeps_block_hashes(*size) && block_hashes.len() as u64 == block_count(*size);
            (!fit).then_some("its block hashes don't fit its size")
        }
        Kind::Symlink { target } if !is_link_target(target) => Some("the link's target is invalid"),
        Kind::HardLink { target } if !is_file_path(target) => Some("the link's target is invalid"),
        _ => None,
    }
}

fn kind_tag(kind: &Kind, pending: u8) -> u8 {
    match kind {
        Kind::File { block_hashes, .. } if pending == 0 && !block_hashes.is_empty() => {
            tag::FILE | tag::BLOCK_HASHES
        }
        Kind::File { .. } => tag::FILE,
        Kind::Volume { .. } => tag::VOLUME,
        Kind::Directory => tag::DIRECTORY,
        Kind::Symlink { .. } => tag::SYMLINK,
        Kind::HardLink { .. } => tag::HARD_LINK,
        Kind::Fifo => tag::FIFO,
        Kind::CharDevice { .. } => tag::CHAR_DEVICE,
        Kind::BlockDevice { .. } => tag::BLOCK_DEVICE,
    }
}

fn put_kind(kind: &Kind, pending: u8, out: &mut Vec<u8>) {
    match kind {
        Kind::File { size, .. } if pending != 0 => put_varint(out, *size),
        Kind::File {
            size,
            hash,
            block_hashes,
        } => {
            put_varint(out, *size);
            out.extend_from_slice(&hash.0);
            block_hashes
                .iter()
                .for_each(|BlockHash(hash)| out.extend_from_slice(hash));
        }
        Kind::Volume { size, hash } => {
            put_varint(out, *size);
            out.extend_from_slice(&hash.0);
        }
        Kind::Directory | Kind::Fifo => {}
        Kind::Symlink { target } | Kind::HardLink { target } => put_bytes(out, target),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            put_varint(out, u64::from(*major));
            put_varint(out, u64::from(*minor));
        }
    }
}
