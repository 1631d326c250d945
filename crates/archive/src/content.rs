//! Content on its way into an archive: neither more nor less than the manifest says.

use std::io::{self, Read};

use crate::error::{Error, Result};
use crate::members::Member;
use crate::output::BUFFER_BYTES;

/// Reads content, through one buffer for all of it.
#[derive(Debug)]
pub struct Content {
    buffer: Box<[u8]>,
}

impl Default for Content {
    fn default() -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES].into(),
        }
    }
}

impl Content {
    /// Opens a member's content at an offset and hands it on, piece by piece. All pieces but the last fill the buffer, however
    /// the reader cuts what it gives, so that nothing that follows depends on it.
    pub fn copy<R: Read>(
        &mut self,
        member: &Member,
        from: u64,
        open: impl FnOnce(u64) -> io::Result<R>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let size_bytes = member.size_bytes();
        let failed = |source| Error::Content {
            path: member.path.clone(),
            source,
        };
        let mut content = open(from).map_err(failed)?;
        let mut at = from;
        while at < size_bytes {
            let wanted = usize::try_from(size_bytes - at).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
            let read = fill(&mut content, &mut self.buffer[..wanted]).map_err(failed)?;
            at += read as u64;
            if read < wanted {
                return Err(Error::Short {
                    path: member.path.clone(),
                    size_bytes,
                    found_bytes: at,
                });
            }
            each(&self.buffer[..read])?;
        }
        if fill(&mut content, &mut [0]).map_err(failed)? > 0 {
            return Err(Error::Long {
                path: member.path.clone(),
                size_bytes,
            });
        }
        Ok(())
    }

    /// Reads all of a member's content, which fits into the buffer.
    pub fn read<R: Read>(
        &mut self,
        member: &Member,
        open: impl FnOnce(u64) -> io::Result<R>,
    ) -> Result<&[u8]> {
        let mut len = 0;
        self.copy(member, 0, open, |piece| {
            len = piece.len();
            Ok(())
        })?;
        Ok(&self.buffer[..len])
    }
}

/// Reads until the buffer is full or the content ends.
fn fill(content: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
