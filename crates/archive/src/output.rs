//! Where an archive goes: what the receiver has already is counted and dropped.

use std::io::{self, BufWriter, Write};

use crate::error::{Error, Result};

/// How much is handed on, and read of content, at once.
pub const BUFFER_BYTES: usize = 256 << 10;

/// The last station before whoever receives the archive.
#[derive(Debug)]
pub struct Output<W: Write> {
    out: BufWriter<W>,
    /// How much of what comes next is dropped.
    unneeded_bytes: u64,
    position: u64,
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Send,
    /// Nothing will be sent: only lengths matter.
    Measure,
}

/// Something that bytes of an archive are written to, and that may not need all of them.
pub trait Sink: Write {
    /// How many of the bytes that come next are dropped, whatever they are.
    fn unneeded_bytes(&self) -> u64;
    /// Goes on as if that many had been written, which are no more than are unneeded.
    fn pass_over(&mut self, len_bytes: u64) -> Result<()>;
}

impl<W: Write> Output<W> {
    /// Drops so many bytes and hands on what follows.
    pub fn new(out: W, unneeded_bytes: u64) -> Self {
        Self {
            out: BufWriter::with_capacity(BUFFER_BYTES, out),
            unneeded_bytes,
            position: 0,
            purpose: Purpose::Send,
        }
    }

    /// How many bytes there have been, dropped ones too.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Whether nothing will be sent, so that no content matters.
    pub fn only_measures(&self) -> bool {
        self.purpose == Purpose::Measure
    }

    /// Hands on everything and gives back where it went.
    pub fn finish(self) -> Result<W> {
        let out = self.out.into_inner();
        let mut out = out.map_err(|error| Error::Write(error.into_error()))?;
        out.flush().map_err(Error::Write)?;
        Ok(out)
    }
}

impl Output<io::Sink> {
    /// Counts only.
    pub fn measuring() -> Self {
        Self {
            // Nothing gets as far as the buffer.
            out: BufWriter::with_capacity(0, io::sink()),
            unneeded_bytes: u64::MAX,
            position: 0,
            purpose: Purpose::Measure,
        }
    }
}

impl<W: Write> Sink for Output<W> {
    fn unneeded_bytes(&self) -> u64 {
        self.unneeded_bytes
    }

    fn pass_over(&mut self, len_bytes: u64) -> Result<()> {
        let left = self.unneeded_bytes.checked_sub(len_bytes);
        self.unneeded_bytes = left.ok_or(Error::TooLarge)?;
        // No more than was unneeded at the begin, which was counted in as many bits.
        self.position += len_bytes;
        Ok(())
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let dropped = usize::try_from(self.unneeded_bytes).map_or(bytes.len(), |left| left.min(bytes.len()));
        let len = if dropped > 0 {
            self.unneeded_bytes -= dropped as u64;
            dropped
        } else {
            self.out.write(bytes)?
        };
        let position = self.position.checked_add(len as u64);
        self.position = position.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Compressed bytes depend on all that came before, so all of it has to be there.
impl<W: Write> Sink for zstd::Encoder<'static, Output<W>> {
    fn unneeded_bytes(&self) -> u64 {
        0
    }

    fn pass_over(&mut self, len_bytes: u64) -> Result<()> {
        if len_bytes == 0 {
            Ok(())
        } else {
            Err(Error::TooLarge)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_receiver_has_is_dropped() {
        for unneeded in 0..=12 {
            let mut output = Output::new(Vec::new(), unneeded);
            for part in [&b"ab"[..], b"", b"cdefg", b"hij"] {
                output.write_all(part).expect("a vector takes everything");
            }
            assert_eq!(output.position(), 10);
            let sent = output.finish().expect("a vector takes everything");
            assert_eq!(sent, b"abcdefghij"[10.min(unneeded as usize)..], "{unneeded}");
        }
    }

    #[test]
    fn no_more_is_passed_over_than_is_unneeded() {
        let mut output = Output::new(Vec::new(), 10);
        output.pass_over(8).expect("unneeded");
        assert!(output.pass_over(3).is_err());
        let mut all = Output::measuring();
        all.pass_over(u64::MAX - 1).expect("it can be counted");
        assert!(matches!(all.pass_over(2), Err(Error::TooLarge)));
    }
}
