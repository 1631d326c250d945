//! Applies the operations of a backup in manifest order: what stays, what goes, what changes, and what content is
//! needed.

use std::sync::Arc;

use manifest::content::{BlockHash, ContentHash, keeps_block_hashes};
use manifest::delta::{DirDelta, FileId, MAX_OP_BYTES, Op, OpStream};
use manifest::{Entry, Kind, RawRecord, RawRecords, Reader};
use storage::{Reuse, SMALL_FILE_BYTES};
use wire::v1::answer::Verdict;
use wire::v1::{Answer, Answers, HashOffer, ingest_reply::Reply};

use crate::error::{Error, Result};
use crate::ingest::announced::Announced;
use crate::ingest::session::WINDOW_FILES;
use crate::ingest::{Replies, Session, reply};

/// Bytes of a block hash on the wire.
const HASH_BYTES: usize = 32;

/// The place in the base up to which operations have come.
pub struct Operations {
    session: Arc<Session>,
    base: Option<RawRecords>,
    next: Option<RawRecord>,
    incoming: OpStream,
}

impl Operations {
    /// Begins at the start of the base.
    pub fn new(session: Arc<Session>, base: Option<&Reader>) -> Self {
        Self {
            session,
            base: base.map(Reader::raw_records),
            next: None,
            incoming: OpStream::new(MAX_OP_BYTES),
        }
    }

    /// Applies what is whole in the next bytes of the operations, and answers which content is wanted.
    pub fn apply(&mut self, batch: &[u8], replies: &Replies) -> Result<()> {
        let mut answers = Vec::new();
        self.incoming.feed(batch);
        while let Some(op) = self.incoming.next_op()? {
            match op {
                Op::Same { dirs } => self.same(dirs)?,
                Op::Drop { dirs } => self.drop(dirs)?,
                Op::Dir(directory) => self.directory(*directory, &mut answers)?,
            }
        }
        if !answers.is_empty() {
            reply(replies, Reply::Answers(Answers { answers }))?;
        }
        Ok(())
    }

    /// Checks that the whole base has been spoken of.
    pub fn finish(mut self) -> Result<()> {
        if self.peek()?.is_some() {
            return Err(Error::protocol("the operations end before the base does"));
        }
        Ok(self.incoming.finish()?)
    }

    fn peek(&mut self) -> Result<Option<&RawRecord>> {
        if self.next.is_none()
            && let Some(records) = &mut self.base
        {
            self.next = records.next().transpose()?;
        }
        Ok(self.next.as_ref())
    }

    fn take(&mut self) -> Result<RawRecord> {
        self.peek()?;
        self.next
            .take()
            .ok_or_else(|| Error::protocol("the operations speak of more directories than the base has"))
    }

    fn same(&mut self, dirs: u64) -> Result<()> {
        let ingest = self.session.ingest()?;
        for _ in 0..dirs {
            let raw = self.take()?;
            let mut lost = Vec::new();
            if !ingest.carries_base() {
                lost = ingest.same(&raw)?;
                self.session.check()?;
            }
            if lost.is_empty() {
                self.session.assemble(|assembler| assembler.push_raw(&raw))?;
            } else {
                self.session.assemble_without(raw.decode()?, &[], &lost)?;
            }
        }
        Ok(())
    }

    fn drop(&mut self, dirs: u64) -> Result<()> {
        for _ in 0..dirs {
            self.take()?;
        }
        Ok(())
    }

    fn directory(&mut self, delta: DirDelta, answers: &mut Vec<Answer>) -> Result<()> {
        let base = match self.peek()? {
            Some(raw) if raw.path() == &*delta.path => Some(self.take()?.decode()?),
            _ => None,
        };
        let merged = delta.apply(base.as_ref())?;
        let slot = self
            .session
            .ingest()?
            .directory(&delta, &merged.record, base.as_ref())?;
        let mut announced = Vec::with_capacity(merged.pending.len());
        for upsert in delta.upserts {
            let Some(FileId(file_id)) = upsert.pending else {
                continue;
            };
            let base_entry = base.as_ref().and_then(|record| record.find(&upsert.entry.name));
            let base_file = base_entry
                .filter(|entry| matches!(entry.kind, Kind::File { .. }))
                .filter(|entry| !self.session.doubts(&merged.record.path, &entry.name))
                .cloned();
            if base_file.is_none() && upsert.entry.size() > SMALL_FILE_BYTES {
                answers.push(self.first_answer(file_id, upsert.entry.size())?);
            }
            announced.push((
                file_id,
                Announced {
                    slot: slot.clone(),
                    entry: upsert.entry,
                    base: base_file,
                },
            ));
        }
        // ORDER: the assembler must know a file before its content can arrive.
        self.session
            .assemble_without(merged.record, &merged.pending, slot.lost())?;
        self.session
            .files()
            .announce(announced, WINDOW_FILES as usize * 2)
    }

    fn first_answer(&self, file_id: u64, size: u64) -> Result<Answer> {
        let known = self.session.store().index().has_size(size);
        let verdict = if known { Verdict::Hash } else { Verdict::Send };
        Ok(Answer {
            file_id,
            verdict: verdict.into(),
        })
    }

    /// Looks for offered content in the storage and answers what is still to be sent.
    pub fn offered(&mut self, offers: Vec<HashOffer>, replies: &Replies) -> Result<()> {
        let mut answers = Vec::with_capacity(offers.len());
        for offer in offers {
            let file_id = offer.file_id;
            let verdict = if self.reuse(offer)? {
                Verdict::Have
            } else {
                Verdict::Send
            };
            answers.push(Answer {
                file_id,
                verdict: verdict.into(),
            });
        }
        reply(replies, Reply::Answers(Answers { answers }))
    }

    fn reuse(&mut self, offer: HashOffer) -> Result<bool> {
        let files = self.session.files();
        let Some(announced) = files.take_now(offer.file_id) else {
            return Err(Error::protocol("an offer for a file that is not waiting"));
        };
        let Some(entry) = offered_entry(&announced, &offer)? else {
            files.put_back(offer.file_id, announced);
            return Ok(false);
        };
        let hash = entry
            .hash()
            .ok_or_else(|| Error::protocol("an offer for what is no file"))?;
        let location = self.session.store().index().lookup(hash, entry.size());
        if let Some(location) = location
            && self.session.ingest()?.reuse(&announced.slot, &entry, &location)? == Reuse::Done
        {
            self.session.complete(offer.file_id, entry)?;
            return Ok(true);
        }
        files.put_back(offer.file_id, announced);
        Ok(false)
    }
}

/// The entry with the content that the client offers; `None` where its block hashes are left out.
fn offered_entry(announced: &Announced, offer: &HashOffer) -> Result<Option<Entry>> {
    let hash: [u8; HASH_BYTES] = offer
        .hash
        .as_slice()
        .try_into()
        .map_err(|_| Error::protocol("a hash is not 32 bytes long"))?;
    let hash = ContentHash(hash);
    let size = announced.entry.size();
    let mut blocks = Vec::new();
    if keeps_block_hashes(size) {
        if offer.block_hashes.is_empty() {
            return Ok(None);
        }
        let (chunks, rest) = offer.block_hashes.as_chunks::<HASH_BYTES>();
        blocks.extend(chunks.iter().map(|chunk| BlockHash(*chunk)));
        if !rest.is_empty() || ContentHash::from_blocks(size, &blocks) != Some(hash) {
            return Err(Error::WrongHash {
                path: announced.path(),
            });
        }
    }
    let mut entry = announced.entry.clone();
    entry.kind = Kind::File {
        size,
        hash,
        block_hashes: Arc::from(blocks),
    };
    Ok(Some(entry))
}
