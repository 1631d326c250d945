//! Tar (POSIX.1-2017, pax): a ustar header for each member, and before it the records for what that has no room for.
//!
//! Kept: names and targets as they are, times to the nanosecond, owners with their names, mode, links, devices and pipes, and all
//! extended attributes, file capabilities among them. Inode flags are not: tar has no place for them. Of sparse files all zeros
//! are there.

mod acl;
mod header;
mod pax;

use std::borrow::Cow;
use std::io::{self, Read};

use manifest::{Kind, Metadata};

use self::header::{BLOCK_BYTES, Header, Type};
use self::pax::Records;
use crate::archive::unresolved;
use crate::content::Content;
use crate::error::{Error, Result};
use crate::members::Member;
use crate::output::Sink;

/// A tar that is being made.
pub struct Tar<O> {
    out: O,
    content: Content,
}

impl<O: Sink> Tar<O> {
    /// Begins one.
    pub fn create(out: O) -> Self {
        Self {
            out,
            content: Content::default(),
        }
    }

    /// Adds a member.
    pub fn add<R: Read>(&mut self, member: &Member, open: impl FnOnce(u64) -> io::Result<R>) -> Result<()> {
        let (header, records) = describe(member)?;
        if !records.is_empty() {
            let records = records.finish();
            self.write(&Header::of_records(&member.entry.name, records.len()).encode())?;
            self.write(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.write(&header.encode())?;
        // A link has the content of what it is a link to.
        if header.size_bytes > 0 {
            self.content(member, open)?;
            self.pad(header.size_bytes)?;
        }
        Ok(())
    }

    fn content<R: Read>(&mut self, member: &Member, open: impl FnOnce(u64) -> io::Result<R>) -> Result<()> {
        let from = self.out.unneeded_bytes().min(member.size_bytes());
        self.out.pass_over(from)?;
        if from == member.size_bytes() {
            return Ok(());
        }
        let out = &mut self.out;
        self.content.copy(member, from, open, |piece| {
            out.write_all(piece).map_err(Error::Write)
        })
    }

    /// Fills the last block.
    fn pad(&mut self, len_bytes: u64) -> Result<()> {
        let over = usize::try_from(len_bytes % BLOCK_BYTES as u64).expect("less than a block");
        let missing = (BLOCK_BYTES - over) % BLOCK_BYTES;
        self.write(&[0; BLOCK_BYTES][..missing])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::Write)
    }

    /// Ends it and gives back where it went.
    pub fn finish(mut self) -> Result<O> {
        self.write(&[0; 2 * BLOCK_BYTES])?;
        Ok(self.out)
    }
}

/// What a tar says of a member.
fn describe(member: &Member) -> Result<(Header<'_>, Records)> {
    let metadata = &member.entry.metadata;
    let mut header = Header::new(file_type(member)?, metadata);
    let mut path = Cow::Borrowed(&*member.name);
    match &member.entry.kind {
        _ if member.link.is_some() => {}
        Kind::Directory => path.to_mut().push(b'/'),
        Kind::File { size, .. } | Kind::Volume { size, .. } => header.size_bytes = *size,
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            header.device = (*major, *minor);
        }
        Kind::Symlink { .. } | Kind::Fifo | Kind::HardLink { .. } => {}
    }
    let link = match (&member.link, &member.entry.kind) {
        (Some(link), _) => &**link,
        (None, Kind::Symlink { target }) => &**target,
        _ => b"",
    };
    let mut records = Records::default();
    name_owners(&mut header, &mut records, metadata);
    header.name(path, &mut records);
    header.link(link, &mut records);
    header.exceed(&mut records);
    // Names of the same file share its attributes.
    if member.link.is_none() {
        add_xattrs(&mut records, metadata);
    }
    Ok((header, records))
}

fn file_type(member: &Member) -> Result<Type> {
    if member.link.is_some() {
        return Ok(Type::Link);
    }
    Ok(match member.entry.kind {
        Kind::File { .. } | Kind::Volume { .. } => Type::File,
        Kind::Directory => Type::Directory,
        Kind::Symlink { .. } => Type::Symlink,
        Kind::Fifo => Type::Fifo,
        Kind::CharDevice { .. } => Type::CharDevice,
        Kind::BlockDevice { .. } => Type::BlockDevice,
        Kind::HardLink { .. } => return Err(unresolved(member)),
    })
}

fn name_owners<'a>(header: &mut Header<'a>, records: &mut Records, metadata: &'a Metadata) {
    header.user(metadata.user.as_deref().unwrap_or_default(), records);
    header.group(metadata.group.as_deref().unwrap_or_default(), records);
}

fn add_xattrs(records: &mut Records, metadata: &Metadata) {
    for xattr in &metadata.xattrs {
        if let Some((key, text)) = acl::in_words(xattr) {
            records.add(key, text.as_bytes());
        }
        records.add_xattr(&xattr.name, &xattr.value);
    }
}
