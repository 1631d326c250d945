//! Reading what may be damaged: what can't be read is zeros, and is told.

use std::io;

use disk_image::DiskSource;
use rustix::io::Errno;

/// What a file system loses at once.
const PAGE_BYTES: usize = 4096;

/// How a piece of content was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// All of it could be read.
    Whole,
    /// Some of it is zeros since it could not.
    Salvaged,
}

/// Reads a piece; what lies beyond the end, or can't be read, is zeros.
pub(crate) fn read<S: DiskSource + ?Sized>(
    source: &S,
    buffer: &mut [u8],
    offset_bytes: u64,
) -> io::Result<Found> {
    match source.read_exact_at(buffer, offset_bytes) {
        Err(error) if is_damage(&error) => {}
        read => return read.map(|()| Found::Whole),
    }
    for (page, at) in buffer
        .chunks_mut(PAGE_BYTES)
        .zip((offset_bytes..).step_by(PAGE_BYTES))
    {
        read_page(source, page, at)?;
    }
    Ok(Found::Salvaged)
}

fn read_page<S: DiskSource + ?Sized>(source: &S, page: &mut [u8], offset_bytes: u64) -> io::Result<()> {
    let there = source.len_bytes()?.saturating_sub(offset_bytes);
    let (there, beyond) = page.split_at_mut(there.min(page.len() as u64) as usize);
    beyond.fill(0);
    match source.read_exact_at(there, offset_bytes) {
        Err(error) if is_damage(&error) => {
            there.fill(0);
            Ok(())
        }
        read => read,
    }
}

/// Whether the system says that data is lost: by a checksum, by the device, or since the file has become shorter.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    let is_lost = |errno| matches!(errno, Errno::IO | Errno::BADMSG | Errno::UCLEAN);
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    ) || Errno::from_io_error(error).is_some_and(is_lost)
}
