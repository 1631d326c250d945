//! An archive as it is made, whatever its format.

use std::io::{self, Read, Write};

use crate::error::{Error, Result};
use crate::format::Format;
use crate::members::Member;
use crate::output::Output;
use crate::tar::Tar;
use crate::zip::Zip;

/// The level is part of what makes the same bytes of the same members.
const ZSTD_LEVEL: i32 = 3;

/// An archive that is being made. Without [`Archive::finish`] it has no end, and who reads it can tell: but for a tar that breaks off
/// between two members, where GNU tar does not miss the end. So whoever sends one has to break the connection when it fails.
///
/// Memory does not grow with content. A zip's directory comes last, and is held until then: some tens of bytes for a member.
pub struct Archive<W: Write> {
    body: Body<W>,
    has_failed: bool,
}

enum Body<W: Write> {
    Zip(Zip<W>),
    Tar(Tar<Output<W>>),
    TarZst(Tar<zstd::Encoder<'static, Output<W>>>),
}

impl<W: Write> Archive<W> {
    /// Begins an archive.
    ///
    /// # Errors
    /// [`Error::Write`], if there is no memory to compress with.
    pub fn create(format: Format, out: W) -> Result<Self> {
        Self::resume(format, out, 0)
    }

    /// Begins an archive of which the receiver has so many bytes: they are made again and dropped, and what follows is handed on.
    ///
    /// Of a tar content is not read if it is dropped; of a zip it is, for its checksum, and of what is compressed as well.
    ///
    /// # Errors
    /// As [`Archive::create`].
    pub fn resume(format: Format, out: W, received_bytes: u64) -> Result<Self> {
        Self::over(format, Output::new(out, received_bytes))
    }

    fn over(format: Format, output: Output<W>) -> Result<Self> {
        let body = match format {
            Format::Zip => Body::Zip(Zip::create(output)?),
            Format::Tar => Body::Tar(Tar::create(output)),
            Format::TarZst => {
                let mut encoder = zstd::Encoder::new(output, ZSTD_LEVEL).map_err(Error::Write)?;
                encoder.include_checksum(true).map_err(Error::Write)?;
                Body::TarZst(Tar::create(encoder))
            }
        };
        let has_failed = false;
        Ok(Self { body, has_failed })
    }

    /// Adds a member. `open` opens the content of [`Member::path`] at an offset, which is not 0 only if what precedes it is
    /// dropped. It is called only if content is needed.
    ///
    /// # Errors
    /// [`Error::Content`], [`Error::Short`] and [`Error::Long`] of content, [`Error::PathTooLong`], [`Error::TooLarge`],
    /// [`Error::Write`]. Any of them is the end: the archive can't become whole any more.
    pub fn add<R: Read>(&mut self, member: &Member, open: impl FnOnce(u64) -> io::Result<R>) -> Result<()> {
        if self.has_failed {
            return Err(Error::Failed);
        }
        let added = match &mut self.body {
            Body::Zip(zip) => zip.add(member, open),
            Body::Tar(tar) => tar.add(member, open),
            Body::TarZst(tar) => tar.add(member, open),
        };
        self.has_failed = added.is_err();
        added
    }

    /// Ends the archive and gives back what it was written to.
    ///
    /// # Errors
    /// [`Error::Write`], and [`Error::Failed`] if a member has failed: then nothing is written.
    pub fn finish(self) -> Result<W> {
        self.end()?.finish()
    }

    fn end(self) -> Result<Output<W>> {
        if self.has_failed {
            return Err(Error::Failed);
        }
        match self.body {
            Body::Zip(zip) => zip.finish(),
            Body::Tar(tar) => tar.finish(),
            Body::TarZst(tar) => tar.finish()?.finish().map_err(Error::Write),
        }
    }
}

/// Tells how many bytes an archive of these members will have; `None` where that depends on how well content can be compressed.
///
/// # Errors
/// Those of the members, and [`Error::PathTooLong`] and [`Error::TooLarge`].
pub fn planned_len(format: Format, members: impl IntoIterator<Item = Result<Member>>) -> Result<Option<u64>> {
    if format == Format::TarZst {
        return Ok(None);
    }
    let mut archive = Archive::over(format, Output::measuring())?;
    for member in members {
        archive.add(&member?, |_| Ok(io::empty()))?;
    }
    Ok(Some(archive.end()?.position()))
}

/// A link that [`crate::Members`] has not resolved says nothing of the content.
pub(crate) fn unresolved(member: &Member) -> Error {
    Error::NotFound {
        path: member.path.clone(),
    }
}
