//! `SourceFile`: a regular file of a source, read while others may change, replace or remove it.

use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::dir::open_noatime;
use crate::error::failed;
use crate::name::check_name;
use crate::stat::{FileType, Stat};
use crate::{Dir, Error, Operation, Result};

/// How a file is opened: not through a link, and without waiting should a FIFO have taken its place.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// A regular file open for reading, with what was known of it when it was opened.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    opened: Stat,
    name: Box<[u8]>,
}

impl SourceFile {
    /// Opens the file that the scan saw as `name` in `dir`.
    ///
    /// Fails with [`Error::Replaced`] if the name stands for another object by now. Content and times may
    /// have changed since the scan: [`opened`](SourceFile::opened) says how it is now.
    pub fn open(dir: &Dir, name: &[u8], scanned: &Stat) -> Result<SourceFile> {
        check_name(name)?;
        let fd = open_noatime(dir, name, FLAGS).map_err(|errno| match errno {
            // A link, a socket or a device without driver has taken the file's place.
            Errno::LOOP | Errno::NXIO => Error::Replaced { name: name.into() },
            errno => Error::new(Operation::Open, name, errno),
        })?;
        let opened = Stat::of(&fd).map_err(failed(Operation::Stat, name))?;
        if opened.kind != FileType::File || opened.identity() != scanned.identity() {
            return Err(Error::Replaced { name: name.into() });
        }
        Ok(SourceFile {
            file: File::from(fd),
            opened,
            name: name.into(),
        })
    }

    /// Returns what the file was like when it was opened.
    pub fn opened(&self) -> &Stat {
        &self.opened
    }

    /// Looks at the file again.
    pub fn stat(&self) -> Result<Stat> {
        Stat::of(&self.file).map_err(failed(Operation::Stat, &self.name))
    }

    /// Returns whether nothing has changed since `before`; what was read in between is then one version.
    pub fn is_unchanged_since(&self, before: &Stat) -> Result<bool> {
        Ok(self.stat()?.is_same_version(before))
    }

    /// Reads at `offset` until `buffer` is full or the file ends, and returns how many bytes there were.
    pub fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> Result<usize> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            match self.file.read_at(buffer, offset) {
                Ok(0) => break,
                Ok(read_bytes) => {
                    buffer = &mut buffer[read_bytes..];
                    offset += read_bytes as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                    return Err(Error::new(Operation::Read, &self.name, errno));
                }
            }
        }
        Ok(wanted - buffer.len())
    }

    /// Returns the ranges that hold data, in order; the rest up to the present size is holes.
    ///
    /// A file system that can't tell answers with one range over the whole file.
    pub fn data_ranges(&self) -> Result<Vec<Range<u64>>> {
        let size_bytes = self.stat()?.size;
        cow_fs::data_extents(&self.file, size_bytes)
            .map(|extent| {
                let extent =
                    extent.map_err(|error| Error::new(Operation::Read, &self.name, errno_of(&error)))?;
                Ok(extent.offset_bytes..extent.end_bytes())
            })
            .collect()
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl AsFd for SourceFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn errno_of(error: &cow_fs::Error) -> Errno {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<std::io::Error>())
        .and_then(Errno::from_io_error)
        .unwrap_or(Errno::IO)
}
