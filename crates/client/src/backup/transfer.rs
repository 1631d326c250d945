//! One file's content: read, hashed, compared with the base, and sent as far as the server doesn't have it.
//!
//! What the metadata says must be what was read: a file is looked at before and after, and read again while
//! it changes. What has been sent of it then serves as the base of the next try. Content of less than
//! [`WHOLE_BELOW_BYTES`] is read as a whole before any of it is sent.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use file_tree::{Error as TreeError, FileType, Stat};
use manifest::{BLOCK_HASHES_FROM_BYTES, ContentHash, Entry, Kind, Timestamp, encode_entry, join_path};
use wire::v1::{FileEnd, HashOffer, PieceStart, file_end::Outcome};

use super::content::{Content, Sent, hash_large, send_large};
use super::merge::Detail;
use super::pieces::{FileSink, PieceWriter};
use super::queue::{Task, Work};
use super::segments::{Layout, Part, ReadError};
use super::stream;
use crate::cache::Cache;
use crate::error::{Error, Result, explain};
use crate::monitor::{Problem, ProblemKind};
use crate::source::{EntryResult, FileReader, StreamError, StreamReader};

/// Content below this is held in memory: it has no block hashes.
pub(super) const WHOLE_BELOW_BYTES: u64 = BLOCK_HASHES_FROM_BYTES;
/// How often a file that changes is read.
const TRIES: usize = 3;
/// How often a file is read that keeps shrinking to almost nothing, which is too little to end with.
const MAX_TRIES: usize = 8;
/// Files beyond this size are read once only, changing or not.
const READ_AGAIN_UP_TO_BYTES: u64 = 1 << 30;
/// Content up to this size is sent without looking for holes.
const HOLES_FROM_BYTES: u64 = 16 << 10;
/// The most block hashes that an offer carries; files with more are sent.
const MAX_OFFERED_HASH_BYTES: usize = 8 << 20;
/// A file that changed so shortly before it was read may change again without its ctime showing it: the
/// kernel's clock for it ticks every 1 to 10 ms.
const UNSETTLED_NS: i128 = 50_000_000;

/// What came out of looking at a file.
pub(super) enum Finished {
    /// The server has been told how it ended: the entry, or `None` where it was dropped.
    Complete(Option<Box<Entry>>),
    /// Its hash is to be offered; this is what it becomes if the server has it.
    Offer(Box<Entry>, HashOffer),
}

/// What a sender has for all of its files.
pub(super) struct Transfer<'a> {
    /// Takes the content.
    pub(super) sink: FileSink<'a>,
    /// Threads that may hash one large file.
    pub(super) threads: usize,
    /// Has what is known of the last version of a stream.
    pub(super) cache: &'a Cache,
    /// Whether the session goes on.
    pub(super) is_wanted: &'a dyn Fn() -> bool,
    /// Is told how many bytes more of a stream have been read.
    pub(super) progress: &'a dyn Fn(u64),
    /// Reused from file to file.
    pub(super) buffer: &'a mut Vec<u8>,
    /// What went wrong with files.
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Transfer<'_> {
    /// Does what is to be done with a file. Fails if the session is over only.
    pub(super) fn run(&mut self, work: &Work, task: Task) -> Result<Finished> {
        let path = || join_path(&work.dir.path, &work.file.entry.name);
        let outcome = match work.dir.reader.stream(&work.file.entry.name) {
            Some(stream) => stream
                .map_err(ReadError::from)
                .and_then(|mut stream| self.send_stream(work, &mut *stream)),
            None => open(work).map_err(ReadError::from).and_then(|reader| match task {
                Task::Send => self.send(work, &*reader, reader.opened()),
                Task::Hash => self.hash(work, &*reader),
            }),
        };
        let (kind, why) = match outcome {
            Ok(finished) => return Ok(finished),
            Err(ReadError::Session(error)) => return Err(error),
            Err(ReadError::Stream(StreamError::Cancelled)) => return Err(Error::Cancelled),
            Err(ReadError::Stream(error)) => (ProblemKind::Unreadable, explain(&error)),
            Err(ReadError::File(error @ (TreeError::NotFound { .. } | TreeError::Replaced { .. }))) => {
                (ProblemKind::Vanished, explain(&error))
            }
            Err(ReadError::File(error)) => (ProblemKind::Unreadable, explain(&error)),
        };
        self.problems.push(Problem::new(kind, path(), why));
        let end = FileEnd {
            outcome: Outcome::Dropped.into(),
            ..FileEnd::default()
        };
        let start = if self.sink.has_begun {
            PieceStart::None
        } else {
            PieceStart::New
        };
        PieceWriter::begin(&mut self.sink, work.file.id, start).finish(end)?;
        Ok(Finished::Complete(None))
    }

    /// Sends what the server doesn't have of a file.
    fn send(
        &mut self,
        work: &Work,
        reader: &dyn FileReader,
        mut before: Stat,
    ) -> Result<Finished, ReadError> {
        let mut sent = Sent::base(work.file.base.as_ref());
        for attempt in 1..=MAX_TRIES {
            let content = if before.size < WHOLE_BELOW_BYTES {
                self.read_whole(reader, &before)?
            } else {
                send_large(
                    reader,
                    &before,
                    self.threads,
                    &mut sent,
                    &mut self.sink,
                    work.file.id,
                )?
            };
            let after = reader.stat()?;
            let stable = content.size == before.size && after.is_same_version(&before);
            let last = attempt >= TRIES || before.size > READ_AGAIN_UP_TO_BYTES;
            // Content without end: too little of a large file was left to have block hashes.
            let ended = content.hash != ContentHash::PENDING;
            if ended && (stable || last) {
                if !stable {
                    self.report_changed(work);
                }
                return self.end(work, reader, &before, content, &sent);
            }
            before = after;
        }
        Err(TreeError::Replaced {
            name: work.file.entry.name.clone(),
        }
        .into())
    }

    /// Sends what the server doesn't have of a stream.
    fn send_stream(&mut self, work: &Work, stream: &mut dyn StreamReader) -> Result<Finished, ReadError> {
        let path = join_path(&work.dir.path, &work.file.entry.name);
        let base = work.file.base.as_ref();
        let last = base.and_then(|base| self.cache.stream_index(&path, base.hash));
        let setting = stream::Setting {
            sink: &mut self.sink,
            file: work.file.id,
            base,
            last: last.as_ref(),
            is_wanted: self.is_wanted,
            progress: self.progress,
        };
        let streamed = stream::send_stream(stream, setting)?;
        let content = streamed.content;
        let entry = Entry {
            name: work.file.entry.name.clone(),
            metadata: stream.metadata(),
            kind: Kind::file(content.size, content.hash, Arc::clone(&content.block_hashes)),
        };
        let end = FileEnd {
            outcome: Outcome::Complete.into(),
            hash: content.hash.0.to_vec(),
            entry: self.changed_entry(work, &entry)?,
        };
        PieceWriter::begin(&mut self.sink, work.file.id, PieceStart::None).finish_at(content.size, end)?;
        if let Some(index) = streamed.index
            && let Err(error) = self.cache.keep_stream_index(&path, content.hash, &index)
        {
            tracing::warn!(%error, "the next version of a stream will be sent as a whole");
        }
        Ok(Finished::Complete(Some(Box::new(entry))))
    }

    /// Ends a file whose content has been read; what was only read is sent now.
    fn end(
        &mut self,
        work: &Work,
        reader: &dyn FileReader,
        before: &Stat,
        mut content: Content,
        sent: &Sent,
    ) -> Result<Finished, ReadError> {
        if let Some(known) = sent.hashes_of(&content) {
            // Where the base has lost its block hashes, the server keeps it so.
            content.block_hashes = known;
        }
        let entry = self.describe(work, reader, before, &content)?;
        let end = FileEnd {
            outcome: Outcome::Complete.into(),
            hash: content.hash.0.to_vec(),
            entry: self.changed_entry(work, &entry)?,
        };
        if content.is_sent {
            PieceWriter::begin(&mut self.sink, work.file.id, PieceStart::None)
                .finish_at(content.size, end)?;
        } else if sent.is_same(&content) {
            PieceWriter::begin(&mut self.sink, work.file.id, PieceStart::Patch).finish(end)?;
        } else {
            self.send_whole(work, reader, &content, end)?;
        }
        Ok(Finished::Complete(Some(Box::new(entry))))
    }

    /// Reads content that is held in memory.
    fn read_whole(&mut self, reader: &dyn FileReader, stat: &Stat) -> EntryResult<Content> {
        let expected = stat.size as usize;
        // One byte more than expected tells whether there is more.
        self.buffer.resize(expected + 1, 0);
        let read_bytes = reader.read_at(self.buffer, 0)?;
        self.buffer.truncate(read_bytes);
        let size = read_bytes as u64;
        Ok(Content {
            size,
            hash: ContentHash::of(self.buffer),
            block_hashes: Arc::default(),
            is_sent: false,
        })
    }

    fn send_whole(
        &mut self,
        work: &Work,
        reader: &dyn FileReader,
        content: &Content,
        end: FileEnd,
    ) -> Result<(), ReadError> {
        let mut pieces = PieceWriter::begin(&mut self.sink, work.file.id, PieceStart::New);
        if content.size <= HOLES_FROM_BYTES {
            return Ok(pieces.whole(self.buffer, end)?);
        }
        // Where the holes can't be had any more, the bytes will do.
        let parts = Layout::of(reader, content.size).map(|layout| layout.parts(0..content.size));
        match parts {
            Ok(parts) if parts.iter().any(|part| matches!(part, Part::Hole(_))) => {
                for part in parts {
                    match part {
                        Part::Data(data) => {
                            let bytes = &self.buffer[data.start as usize..data.end as usize];
                            pieces.data(data.start, bytes)?;
                        }
                        Part::Hole(hole) => pieces.hole(hole)?,
                    }
                }
                Ok(pieces.finish(end)?)
            }
            _ => Ok(pieces.whole(self.buffer, end)?),
        }
    }

    /// Hashes a file that the server may have.
    fn hash(&mut self, work: &Work, reader: &dyn FileReader) -> Result<Finished, ReadError> {
        let before = reader.opened();
        let content = if before.size < WHOLE_BELOW_BYTES {
            self.read_whole(reader, &before)?
        } else {
            hash_large(reader, &before, self.threads)?
        };
        let stable = content.size == before.size && reader.stat()?.is_same_version(&before);
        let offered_bytes = content.block_hashes.len() * 32;
        if !stable || offered_bytes > MAX_OFFERED_HASH_BYTES {
            return self.send(work, reader, reader.stat()?);
        }
        let entry = self.describe(work, reader, &before, &content)?;
        // If the server has the content, the entry is as it was announced.
        if !self.changed_entry(work, &entry)?.is_empty() {
            return self.send(work, reader, reader.stat()?);
        }
        let offer = HashOffer {
            file_id: work.file.id.0,
            hash: content.hash.0.to_vec(),
            block_hashes: content.block_hashes.iter().flat_map(|hash| hash.0).collect(),
        };
        Ok(Finished::Offer(Box::new(entry), offer))
    }

    /// Makes the entry of what was read: metadata from before, content as it was found.
    fn describe(
        &mut self,
        work: &Work,
        reader: &dyn FileReader,
        before: &Stat,
        content: &Content,
    ) -> EntryResult<Entry> {
        let announced = &work.file.entry;
        let as_announced = work.file.detail == Detail::Complete && before.is_same_version(&work.file.stat);
        let mut metadata = if as_announced {
            announced.metadata.clone()
        } else {
            let (metadata, unread) = reader.metadata(before)?;
            for error in &unread {
                let path = join_path(&work.dir.path, &announced.name);
                self.problems
                    .push(Problem::new(ProblemKind::Metadata, path, explain(error)));
            }
            metadata
        };
        if is_unsettled(before.ctime, now()) {
            metadata.ctime = Timestamp::default();
        }
        let kind = Kind::file(content.size, content.hash, Arc::clone(&content.block_hashes));
        Ok(Entry {
            name: announced.name.clone(),
            metadata,
            kind,
        })
    }

    /// Encodes the entry if it differs from what was announced in more than its hashes. It goes without block
    /// hashes, which the other side has anyway.
    fn changed_entry(&self, work: &Work, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let announced = &work.file.entry;
        let mut encoded = Vec::new();
        if announced.metadata == entry.metadata && announced.size() == entry.size() {
            return Ok(encoded);
        }
        let hash = entry.hash().unwrap_or(ContentHash::PENDING);
        let kind = Kind::File {
            size: entry.size(),
            hash,
            block_hashes: Arc::default(),
        };
        let bare = Entry {
            name: entry.name.clone(),
            metadata: entry.metadata.clone(),
            kind,
        };
        encode_entry(&bare, &mut encoded).map_err(crate::error::Error::from)?;
        Ok(encoded)
    }

    fn report_changed(&mut self, work: &Work) {
        let path = join_path(&work.dir.path, &work.file.entry.name);
        self.problems.push(Problem::new(
            ProblemKind::ChangedWhileRead,
            path,
            "changed while it was read",
        ));
    }
}

/// Opens a file, or what has taken its place since the walk.
fn open(work: &Work) -> EntryResult<Box<dyn FileReader>> {
    let name = &work.file.entry.name;
    let mut stat = work.file.stat;
    for _ in 1..TRIES {
        match work.dir.reader.open(name, &stat) {
            Err(TreeError::Replaced { .. }) => stat = work.dir.reader.look(name)?,
            opened => return opened,
        }
        if stat.kind != FileType::File {
            break;
        }
    }
    work.dir.reader.open(name, &stat)
}

/// Whether a change at `ctime` is so fresh that another could follow unseen.
fn is_unsettled(ctime: Timestamp, now: Timestamp) -> bool {
    let nanos = |time: Timestamp| i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
    (nanos(now) - nanos(ctime)).abs() < UNSETTLED_NS
}

/// The time by which the kernel stamps files.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        secs: since.as_secs() as i64,
        nanos: since.subsec_nanos(),
    }
}

#[cfg(test)]
mod tests;
