//! Raw disks: the file's bytes, of which holes are zeros.

use super::file::Pages;
use super::{Place, Run};
use crate::Result;

pub(super) struct Raw {
    pages: Pages,
}

impl Raw {
    pub fn open(pages: Pages) -> Self {
        Self { pages }
    }

    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    pub fn len_bytes(&self) -> u64 {
        self.pages.len_bytes()
    }

    pub fn locate(&self, offset_bytes: u64, max_bytes: u64) -> Result<Run> {
        let end = offset_bytes.saturating_add(max_bytes);
        let (place, until) = match self.pages.next_data(offset_bytes..end)? {
            Some(data) if data.start <= offset_bytes => (Place::File(offset_bytes), data.end.min(end)),
            Some(data) => (Place::Zeros, data.start.min(end)),
            None => (Place::Zeros, end),
        };
        // A file that changes under way must not stop the reader from moving on.
        let len_bytes = until.saturating_sub(offset_bytes).max(1);
        Ok(Run { place, len_bytes })
    }
}
