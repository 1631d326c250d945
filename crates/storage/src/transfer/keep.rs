//! Keeping what has been copied: the new manifest as it grows, and what of a directory is there while it is under way.

use std::fs::File;

use manifest::{BLOCK_HASHES_FROM_BYTES, BlockHash, Conclusion, ContentHash, DirRecord, Entry, Kind};
use manifest::{Header, Metadata, RawRecord, Summary, Timestamp, Writer};

use crate::crash;
use crate::error::{Error, Result};
use crate::ingest::Ingest;

/// After so much content the complete directories are written down, so that they are found again if the process ends.
const FLUSH_BYTES: u64 = 16 << 20;
/// After so much content a transfer is made safe against a power loss, if nothing else is asked for.
pub(super) const CHECKPOINT_BYTES: u64 = 1 << 30;

/// The new manifest, and when it was kept last.
pub(super) struct Keep<'a> {
    ingest: &'a Ingest,
    header: &'a Header,
    writer: Writer<File>,
    /// What is there of the directory that gets its files.
    under_way: Option<DirRecord>,
    read_bytes: u64,
    flush_at_bytes: u64,
    checkpoint_at_bytes: u64,
    checkpoint_bytes: u64,
}

impl<'a> Keep<'a> {
    pub fn new(ingest: &'a Ingest, header: &'a Header, checkpoint_bytes: Option<u64>) -> Result<Self> {
        let checkpoint_bytes = checkpoint_bytes.unwrap_or(CHECKPOINT_BYTES);
        Ok(Self {
            ingest,
            header,
            writer: Writer::create(ingest.manifest_file()?, header).map_err(failed())?,
            under_way: None,
            read_bytes: 0,
            flush_at_bytes: FLUSH_BYTES,
            checkpoint_at_bytes: checkpoint_bytes,
            checkpoint_bytes,
        })
    }

    pub fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// So much more has been read.
    pub fn count(&mut self, len_bytes: u64) {
        self.read_bytes += len_bytes;
    }

    /// A directory gets its files; the record is without them.
    pub fn begin(&mut self, there: DirRecord) {
        self.under_way = Some(there);
    }

    /// A file of it is there.
    pub fn add(&mut self, entry: &Entry) {
        if let Some(record) = &mut self.under_way
            && let Err(at) = record.position(&entry.name)
        {
            record.entries.insert(at, entry.clone());
        }
    }

    /// A directory is complete.
    pub fn push(&mut self, record: &RawRecord) -> Result<()> {
        self.under_way = None;
        self.writer.push_raw(record).map_err(failed())?;
        crash::point("transfer: directory complete");
        if self.read_bytes >= self.flush_at_bytes {
            self.flush()?;
        }
        self.checkpoint_if_due(|| None)
    }

    /// Writes down the directories that are complete.
    pub fn flush(&mut self) -> Result<()> {
        self.flush_at_bytes = self.read_bytes + FLUSH_BYTES;
        self.writer.flush_frame().map_err(failed())
    }

    /// Makes durable what has been copied, from time to time; `begun` is what is there of a file that is being copied.
    pub fn checkpoint_if_due(&mut self, begun: impl FnOnce() -> Option<Entry>) -> Result<()> {
        if self.read_bytes < self.checkpoint_at_bytes {
            return Ok(());
        }
        self.checkpoint_at_bytes = self.read_bytes + self.checkpoint_bytes;
        self.flush()?;
        if let Some(record) = &self.under_way {
            let mut record = record.clone();
            if let Some(begun) = begun()
                && let Err(at) = record.position(&begun.name)
            {
                record.entries.insert(at, begun);
            }
            record.shed_block_hashes();
            let unfinished = self.ingest.unfinished_file()?;
            let mut unfinished = Writer::create(unfinished, self.header).map_err(failed())?;
            unfinished.push(&record).map_err(failed())?;
            unfinished.finish(&Conclusion::default()).map_err(failed())?;
        }
        self.ingest.checkpoint()?;
        crash::point("transfer: checkpoint");
        Ok(())
    }

    pub fn finish(self, conclusion: &Conclusion) -> Result<Summary> {
        let (summary, _) = self.writer.finish(conclusion).map_err(failed())?;
        Ok(summary)
    }
}

/// What is there of a file: these blocks, all of them whole.
pub(super) fn begun(name: &[u8], metadata: &Metadata, size: u64, blocks: &[BlockHash]) -> Option<Entry> {
    if size < BLOCK_HASHES_FROM_BYTES {
        return None;
    }
    Some(Entry {
        name: name.into(),
        metadata: Metadata {
            // Nobody shall take it for a file that has not changed.
            mtime: Timestamp::default(),
            ctime: Timestamp::default(),
            ..metadata.clone()
        },
        kind: Kind::file(size, ContentHash::from_blocks(size, blocks)?, blocks.into()),
    })
}

fn failed() -> impl FnOnce(manifest::Error) -> Error {
    Error::manifest("of the incomplete backup")
}
