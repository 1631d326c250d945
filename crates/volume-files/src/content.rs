//! Content on its way out: pieces of the volume and zeros, never more than a file's length, and never more data than the volume has.

use disk_image::volume::{PIECE_BYTES, Reader};

use crate::{Error, Result};

/// A part of a file's content, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Bytes; they may be zeros.
    Data(&'a [u8]),
    /// So many zeros that take no room.
    Hole(u64),
}

/// Takes content wherever it goes.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Content<'_>) -> Result<()>;

/// A file's content, handed on as its parts become known.
pub(crate) struct Outflow<'a, 'r> {
    reader: &'a Reader<'r>,
    each: Each<'a>,
    structure: &'static str,
    at: u64,
    len_bytes: u64,
    budget_bytes: u64,
}

impl<'a, 'r> Outflow<'a, 'r> {
    /// Of a file of a length.
    pub(crate) fn new(
        reader: &'a Reader<'r>,
        structure: &'static str,
        len_bytes: u64,
        each: Each<'a>,
    ) -> Self {
        Self {
            reader,
            each,
            structure,
            at: 0,
            len_bytes,
            // A file whose parts all lie at the same place could have any size.
            budget_bytes: reader.len_bytes(),
        }
    }

    /// Whether nothing is missing any more.
    pub(crate) fn is_complete(&self) -> bool {
        self.at >= self.len_bytes
    }

    /// How much there was.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes of the volume; what is beyond the file's end is left out.
    pub(crate) fn data(&mut self, offset_bytes: u64, len_bytes: u64) -> Result<()> {
        let len_bytes = len_bytes.min(self.len_bytes - self.at);
        let rest = self.budget_bytes.checked_sub(len_bytes);
        self.budget_bytes = rest.ok_or_else(|| {
            Error::damaged(
                self.structure,
                offset_bytes,
                "a file has more content than the volume",
            )
        })?;
        let mut done = 0;
        while done < len_bytes {
            let piece = PIECE_BYTES.min(len_bytes - done);
            let at = offset_bytes.saturating_add(done);
            let bytes = self.reader.read(self.structure, at, piece)?;
            (self.each)(Content::Data(&bytes))?;
            done += piece;
        }
        self.at += len_bytes;
        Ok(())
    }

    /// Bytes that are here already.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let len = (self.len_bytes - self.at).min(bytes.len() as u64);
        if len > 0 {
            (self.each)(Content::Data(&bytes[..len as usize]))?;
        }
        self.at += len;
        Ok(())
    }

    /// Zeros up to a place in the file, or its end.
    pub(crate) fn hole_to(&mut self, end: u64) -> Result<()> {
        let len_bytes = end.min(self.len_bytes).saturating_sub(self.at);
        if len_bytes > 0 {
            (self.each)(Content::Hole(len_bytes))?;
        }
        self.at += len_bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn no_file_has_more_content_than_the_volume_and_none_more_than_its_length() {
        let volume = &[7_u8; 5000][..];
        let reader = Reader::new(&volume).unwrap();
        let mut said = Vec::new();
        let mut each = |content: Content<'_>| {
            said.push(match content {
                Content::Data(bytes) => (bytes.len() as u64, "data"),
                Content::Hole(len_bytes) => (len_bytes, "hole"),
            });
            Ok(())
        };
        let mut out = Outflow::new(&reader, "file", 12_000, &mut each);
        out.data(1000, 4000).unwrap();
        out.hole_to(11_500).unwrap();
        out.data(0, 4000).unwrap();
        out.hole_to(u64::MAX).unwrap();
        assert!(out.is_complete());
        assert_eq!(said, [(4000, "data"), (7500, "hole"), (500, "data")]);
        let mut ignored = |_: Content<'_>| Ok(());
        let mut out = Outflow::new(&reader, "file", 12_000, &mut ignored);
        out.data(0, 4000).unwrap();
        let error = out.data(0, 4000).unwrap_err();
        assert!(
            error.to_string().contains("more content than the volume"),
            "{error}"
        );
    }
}
