//! The file that a disk is written to.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use super::{Change, PIECE_BYTES, ZEROS};
use crate::virtual_disk::bits::BitOrder;
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Out {
    file: File,
}

impl Out {
    pub fn new(file: File) -> Self {
        Self { file }
    }

    pub fn write(&self, bytes: &[u8], at_bytes: u64) -> Result<()> {
        let len = bytes.len() as u64;
        self.file
            .write_all_at(bytes, at_bytes)
            .map_err(failed("write", at_bytes, len))
    }

    /// Fills the buffer with what was written; what was not is zeros.
    pub fn read(&self, buffer: &mut [u8], at_bytes: u64) -> Result<()> {
        let len = buffer.len() as u64;
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], at_bytes + done as u64) {
                Ok(0) => {
                    buffer[done..].fill(0);
                    break;
                }
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("read", at_bytes, len)(error)),
            }
        }
        Ok(())
    }

    pub fn entry<const LEN: usize>(&self, at_bytes: u64) -> Result<[u8; LEN]> {
        let mut entry = [0; LEN];
        self.read(&mut entry, at_bytes)?;
        Ok(entry)
    }

    /// Puts content where there may be older content.
    pub fn overwrite(&self, change: Change<'_>, at_bytes: u64) -> Result<()> {
        match change {
            Change::Data(bytes) => self.write(bytes, at_bytes),
            Change::Zeros(len) => {
                let mut at = at_bytes;
                let end = at_bytes + len;
                while at < end {
                    let piece = (end - at).min(PIECE_BYTES as u64);
                    self.write(&ZEROS[..piece as usize], at)?;
                    at += piece;
                }
                Ok(())
            }
        }
    }

    /// Puts content where the file has never been written to.
    pub fn fill(&self, change: Change<'_>, at_bytes: u64) -> Result<()> {
        match change {
            Change::Data(bytes) => self.write(bytes, at_bytes),
            Change::Zeros(_) => Ok(()),
        }
    }

    /// Sets the bits of some sectors in a bitmap of the file, and tells whether any was set before.
    pub fn set_bits(&self, bitmap_at: u64, bits: Range<u64>, order: BitOrder) -> Result<bool> {
        let first = bits.start / 8;
        // A block's bits at most: 64 KiB.
        let mut bytes = vec![0; (bits.end.div_ceil(8) - first) as usize];
        self.read(&mut bytes, bitmap_at + first)?;
        let bits = (bits.start - first * 8) as usize..(bits.end - first * 8) as usize;
        let was_set = bits.clone().any(|bit| order.is_set(&bytes, bit));
        order.set(&mut bytes, bits);
        self.write(&bytes, bitmap_at + first)?;
        Ok(was_set)
    }

    /// Makes the file end somewhere.
    pub fn set_len(&self, len_bytes: u64) -> Result<()> {
        self.file
            .set_len(len_bytes)
            .map_err(failed("set the size of", 0, len_bytes))
    }

    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(failed("sync", 0, 0))
    }
}

fn failed(action: &'static str, offset_bytes: u64, len_bytes: u64) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        action,
        offset_bytes,
        len_bytes,
        source,
    }
}
