//! Asking for content: in batches, for an answer to each would take as long as the way there and back.

use wire::v1::restore_request::Request;
use wire::v1::{Range, Wanted, WantedFile};

use super::incoming::Incoming;
use super::state::State;
use crate::error::Result;

/// How many files are asked for at once.
const BATCH_FILES: usize = 256;
/// How many ranges of files are asked for at once.
const BATCH_RANGES: usize = 4096;

/// Collects what is to be asked for.
pub(super) struct Asker<'a> {
    state: &'a State,
    files: Vec<WantedFile>,
    ranges: usize,
}

impl<'a> Asker<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self {
            state,
            files: Vec::new(),
            ranges: 0,
        }
    }

    /// Asks for a file, of which `path` is the place in the backup, or for ranges of it where there are any.
    pub(super) fn ask(&mut self, incoming: Incoming, path: &[u8], ranges: Vec<Range>) -> Result<()> {
        if !self.state.has_room_now() {
            // What has not been asked for will never arrive.
            self.flush()?;
            self.state.wait_for_room()?;
        }
        let file_id = self.state.wish(incoming);
        self.ranges += ranges.len();
        self.files.push(WantedFile {
            file_id,
            path: path.to_vec(),
            ranges,
        });
        if self.files.len() >= BATCH_FILES || self.ranges >= BATCH_RANGES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Sends what has been collected.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.files.is_empty() {
            return Ok(());
        }
        self.ranges = 0;
        let files = std::mem::take(&mut self.files);
        self.state.request(Request::Wanted(Wanted { files }))
    }
}
