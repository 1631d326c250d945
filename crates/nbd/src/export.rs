//! What is served: disks by name.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use disk_image::DiskSource;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Whether clients may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They may not.
    ReadOnly,
    /// They may.
    Writable,
}

/// A part of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Where it lies on the disk; never empty.
    pub range: Range<u64>,
    /// What it is.
    pub kind: ExtentKind,
}

/// What a part of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// It may hold anything.
    Data,
    /// It takes no space and reads as zeros.
    Hole,
}

/// A disk that is served. It is used by several connections at once.
pub trait Export: Send + Sync {
    /// Its size, which stays the same.
    fn len_bytes(&self) -> u64;

    /// Whether it may be written to.
    fn access(&self) -> Access {
        Access::ReadOnly
    }

    /// Fills the buffer from an offset. The range lies within the disk, here and below.
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()>;

    /// The first extent of a range, beginning where that does. One that can't tell says that all is data.
    fn first_extent(&self, range: Range<u64>) -> io::Result<Extent> {
        let kind = ExtentKind::Data;
        Ok(Extent { range, kind })
    }

    /// Writes at an offset.
    fn write_at(&self, _bytes: &[u8], _offset_bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Makes a range read as zeros, and where possible take no space.
    fn discard(&self, _range: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    /// Makes all that was written durable, by whichever connection.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The disks that are served.
pub trait Exports: Send + Sync {
    /// Their names, for whoever asks.
    fn names(&self) -> Vec<String>;

    /// A word on one of them, for people.
    fn description(&self, _name: &str) -> Option<String> {
        None
    }

    /// Opens one; clients that name none ask for the empty name. `None` where there is none such.
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn Export>>>;
}

/// One disk, which clients get by its name or by none.
pub struct OneExport {
    /// Its name.
    pub name: String,
    /// The disk.
    pub export: Arc<dyn Export>,
}

impl Exports for OneExport {
    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn Export>>> {
        let is_it = name.is_empty() || name == self.name;
        Ok(is_it.then(|| Arc::clone(&self.export)))
    }
}

/// A disk that is read only: a virtual disk, or a raw one.
#[derive(Debug)]
pub struct ReadOnly<S> {
    source: S,
    len_bytes: u64,
}

impl<S: DiskSource> ReadOnly<S> {
    /// Serves a source.
    ///
    /// # Errors
    /// Those of finding its size.
    pub fn new(source: S) -> io::Result<Self> {
        let len_bytes = source.len_bytes()?;
        Ok(Self { source, len_bytes })
    }
}

impl<S: DiskSource + Send + Sync> Export for ReadOnly<S> {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.source.read_exact_at(buffer, offset_bytes)
    }

    fn first_extent(&self, range: Range<u64>) -> io::Result<Extent> {
        first_extent(&self.source, range)
    }
}

/// A raw disk that is written to: a clone of an image that may be thrown away.
#[derive(Debug)]
pub struct WritableFile {
    file: File,
    len_bytes: u64,
}

impl WritableFile {
    /// Serves a file that was opened for reading and writing.
    ///
    /// # Errors
    /// Those of finding its size.
    pub fn new(file: File) -> io::Result<Self> {
        let len_bytes = DiskSource::len_bytes(&file)?;
        Ok(Self { file, len_bytes })
    }
}

impl Export for WritableFile {
    fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    fn access(&self) -> Access {
        Access::Writable
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        DiskSource::read_exact_at(&self.file, buffer, offset_bytes)
    }

    fn first_extent(&self, range: Range<u64>) -> io::Result<Extent> {
        first_extent(&self.file, range)
    }

    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset_bytes)
    }

    fn discard(&self, range: Range<u64>) -> io::Result<()> {
        let punched = cow_fs::punch_hole(&self.file, range.start, range.end - range.start);
        if punched.is_ok() {
            return Ok(());
        }
        // Whatever the reason: a device or a file system without holes takes zeros, and says what is wrong else.
        let mut at = range.start;
        while at < range.end {
            let len = (range.end - at).min(ZEROS.len() as u64);
            self.file.write_all_at(&ZEROS[..len as usize], at)?;
            at += len;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn first_extent<S: DiskSource + ?Sized>(source: &S, range: Range<u64>) -> io::Result<Extent> {
    let (end, kind) = match source.next_data(range.clone())? {
        Some(data) if data.start <= range.start => (data.end.min(range.end), ExtentKind::Data),
        Some(data) => (data.start.min(range.end), ExtentKind::Hole),
        None => (range.end, ExtentKind::Hole),
    };
    let range = range.start..end;
    Ok(Extent { range, kind })
}
