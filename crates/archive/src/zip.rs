//! Zip (APPNOTE 6.3.10) with stored content, so that its length is known before it is read.
//!
//! ```text
//! for each member: local header, content [, data descriptor]   central directory   [zip64 end, locator]   end
//! ```
//!
//! What fits into the buffer – directories, links and small files – has its checksum in front, as some programs want it; of other
//! files it follows in a data descriptor. Zip64 is used where a number needs it, and nowhere else. Names are UTF-8: a byte that is
//! not becomes `%XX`. Symbolic links have their target for content, as Info-ZIP does it; further names of a file are copies.

mod directory;
mod record;

use std::io::{self, Read, Write};

use manifest::{Entry, Kind};

use self::directory::Directory;
use self::record::{Checksum, Record};
use crate::archive::unresolved;
use crate::content::Content;
use crate::error::{Error, Result};
use crate::members::Member;
use crate::output::{BUFFER_BYTES, Output, Sink as _};

/// A zip that is being made.
pub struct Zip<W: Write> {
    out: Output<W>,
    content: Content,
    directory: Directory,
}

/// What a member consists of.
enum Body<'a> {
    Directory,
    Link(&'a [u8]),
    Small(u64),
    Large(u64),
}

impl<W: Write> Zip<W> {
    /// Begins one.
    pub fn create(out: Output<W>) -> Result<Self> {
        let directory = if out.only_measures() {
            Directory::measuring()
        } else {
            Directory::holding()?
        };
        Ok(Self {
            out,
            content: Content::default(),
            directory,
        })
    }

    /// Adds a member.
    pub fn add<R: Read>(&mut self, member: &Member, open: impl FnOnce(u64) -> io::Result<R>) -> Result<()> {
        let Some(body) = body(&member.entry).ok_or_else(|| unresolved(member))? else {
            return Ok(());
        };
        let mut record = Record::new(member, self.out.position())?;
        match body {
            Body::Directory => self.known(&record, b"")?,
            Body::Link(target) => {
                record.size_bytes = target.len() as u64;
                record.checksum = Checksum::Known(crc32fast::hash(target));
                self.known(&record, target)?;
            }
            Body::Small(size_bytes) => {
                record.size_bytes = size_bytes;
                self.small(&mut record, member, open)?;
            }
            Body::Large(size_bytes) => {
                (record.size_bytes, record.checksum) = (size_bytes, Checksum::Follows);
                self.large(&mut record, member, open)?;
            }
        }
        self.directory.add(&record)
    }

    fn known(&mut self, record: &Record, content: &[u8]) -> Result<()> {
        write(&mut self.out, &record.local_header())?;
        write(&mut self.out, content)
    }

    fn small<R: Read>(
        &mut self,
        record: &mut Record,
        member: &Member,
        open: impl FnOnce(u64) -> io::Result<R>,
    ) -> Result<()> {
        if self.out.only_measures() {
            write(&mut self.out, &record.local_header())?;
            return self.out.pass_over(record.size_bytes);
        }
        if record.size_bytes == 0 {
            return self.known(record, b"");
        }
        let content = self.content.read(member, open)?;
        record.checksum = Checksum::Known(crc32fast::hash(content));
        write(&mut self.out, &record.local_header())?;
        write(&mut self.out, content)
    }

    fn large<R: Read>(
        &mut self,
        record: &mut Record,
        member: &Member,
        open: impl FnOnce(u64) -> io::Result<R>,
    ) -> Result<()> {
        write(&mut self.out, &record.local_header())?;
        let mut hasher = crc32fast::Hasher::new();
        if self.out.only_measures() {
            self.out.pass_over(record.size_bytes)?;
        } else {
            self.content.copy(member, 0, open, |piece| {
                hasher.update(piece);
                write(&mut self.out, piece)
            })?;
        }
        record.checksum = Checksum::Followed(hasher.finalize());
        write(&mut self.out, &record.descriptor())
    }

    /// Writes the directory and gives back where it went.
    pub fn finish(mut self) -> Result<Output<W>> {
        self.directory.finish(&mut self.out)?;
        Ok(self.out)
    }
}

/// Tells what a member consists of: of some kinds nothing is in a zip, and of a link that is not resolved nothing is known.
fn body(entry: &Entry) -> Option<Option<Body<'_>>> {
    Some(match &entry.kind {
        Kind::File { size, .. } | Kind::Volume { size, .. } if *size <= BUFFER_BYTES as u64 => {
            Some(Body::Small(*size))
        }
        Kind::File { size, .. } | Kind::Volume { size, .. } => Some(Body::Large(*size)),
        Kind::Directory => Some(Body::Directory),
        Kind::Symlink { target } => Some(Body::Link(target)),
        Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. } => None,
        Kind::HardLink { .. } => return None,
    })
}

fn write(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(Error::Write)
}
