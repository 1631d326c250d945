//! The entries of an encoded record, one by one.

use super::view::EntryRef;
use super::{EntryDecoder, MIN_ENTRY_BYTES};
use crate::codec::Input;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::path::check_path;

/// Goes through the entries of an encoded record; ends at the first error.
#[derive(Debug)]
pub struct Entries<'a> {
    path: &'a [u8],
    input: Input<'a>,
    decoder: EntryDecoder<'a>,
    previous: &'a [u8],
    remaining: usize,
}

impl<'a> Entries<'a> {
    /// Begins with a record's bytes; its path is checked at once.
    pub fn new(record: &'a [u8]) -> Result<Self> {
        let mut input = Input::new(record, "record");
        let path = input.bytes()?;
        check_path(path)?;
        let remaining = input.count(MIN_ENTRY_BYTES)?;
        let entries = Self {
            path,
            input,
            decoder: EntryDecoder::default(),
            previous: b"",
            remaining,
        };
        if remaining == 0 {
            entries.input.end()?;
        }
        Ok(entries)
    }

    /// The directory's path.
    pub fn path(&self) -> &'a [u8] {
        self.path
    }

    /// How many entries are still to come.
    pub fn len(&self) -> usize {
        self.remaining
    }

    /// Whether no more are to come.
    pub fn is_empty(&self) -> bool {
        self.remaining == 0
    }

    /// Makes an entry that came from here own its parts.
    pub fn own(&mut self, entry: &EntryRef<'a>) -> Entry {
        self.decoder.own(entry)
    }

    fn decode(&mut self) -> Result<EntryRef<'a>> {
        let entry = self.decoder.entry(&mut self.input)?;
        if entry.name <= self.previous {
            return Err(Error::EntryOrder {
                path: self.path.into(),
                name: entry.name.into(),
            });
        }
        self.previous = entry.name;
        self.remaining -= 1;
        if self.remaining == 0 {
            self.input.end()?;
        }
        Ok(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<EntryRef<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            return None;
        }
        let entry = self.decode();
        if entry.is_err() {
            self.remaining = 0;
        }
        Some(entry)
    }
}
