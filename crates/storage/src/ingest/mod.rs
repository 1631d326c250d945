//! Taking in a backup: a tree that grows unseen until it is committed.
//!
//! The **structure** comes from one thread, directory by directory in manifest order ([`Ingest::same`],
//! [`Ingest::directory`]); the **content** of files that were announced with a directory comes from any number of
//! threads in any order. Everything is written in place beneath the open directory of a [`DirSlot`]; nothing is
//! reached by a path of text from a client.
//!
//! Where a directory's entries come from depends on its *place* ([`structure`](self)): they are in the tree already
//! (a snapshot, or an earlier session), or have to be carried from the base entry by entry.
//!
//! Lock order: the structure's lock is taken before any other; content calls never take it.

mod begin;
mod carry;
mod commit;
mod content;
mod links;
mod sink;
mod slot;
mod structure;
mod tally;
mod transferred;

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use file_tree::Dir;
use manifest::delta::DirDelta;
use manifest::{ContentHash, DirRecord, Entry, Metadata, RawRecord};
use parking_lot::Mutex;

use crate::attributes::{Attributes, Fidelity};
use crate::backend::Growth;
use crate::damage::{self, Damaged};
use crate::error::{During as _, Result};
use crate::incomplete::{Checkpoint, State, boot_id};
use crate::index::{Content, Location};
use crate::names::{BackupName, ClientName};
use crate::retold::Retold;
use crate::store::Shared;
use crate::tree::TreeRoot;
use crate::usage::{Claim, Reading};

pub use commit::Committed;
pub(crate) use commit::{rename_new, roll_forward};
pub use content::{FileStart, Reuse};
pub use sink::FileSink;
pub use slot::DirSlot;
pub use tally::Outcome;

use structure::Structure;
use tally::Tally;

/// From what a backup begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// From nothing.
    Fresh,
    /// From a committed backup of the client.
    Backup(BackupName),
    /// From the client's incomplete backup.
    Resume,
}

/// A backup that is being taken in. Dropped without [`commit`](Ingest::commit), it stays and can be resumed.
#[derive(Debug)]
pub struct Ingest {
    growing: Arc<Growing>,
}

/// What the calls of an ingest, and the open files of it, share.
#[derive(Debug)]
pub(crate) struct Growing {
    shared: Arc<Shared>,
    client: ClientName,
    /// `incomplete/CLIENT`.
    work: Dir,
    state: Mutex<State>,
    /// The growing tree, with the pool that it may link to. Open since before the first write, so that `syncfs`
    /// reports errors of all of them.
    tree: TreeRoot,
    growth: Growth,
    /// The tree that entries are carried from.
    base: Option<BaseTree>,
    base_manifest: Option<File>,
    manifest: File,
    /// The last directory that an earlier session has completed.
    placed_until: Option<Box<[u8]>>,
    is_resumed: bool,
    /// What this session is told of, if it is a resumed one with a base.
    retold: Option<Retold>,
    structure: Mutex<Structure>,
    /// Whether an inode with several names got another under one of them.
    has_split_links: AtomicBool,
    /// Content that got a new inode since the old one can't have more links.
    moved: Mutex<Vec<Content>>,
    /// What of the tree is known to be damaged: the base's, as far as it has not been written anew.
    damaged: Mutex<Damaged>,
    attributes: Attributes,
    tally: Tally,
    _claim: Claim,
}

/// The committed backup that entries are carried from.
#[derive(Debug)]
pub(crate) struct BaseTree {
    root: TreeRoot,
    /// Whether any of its directories is a link into the pool.
    has_pool_links: bool,
    _reading: Reading,
}

impl Ingest {
    /// The manifest that this backup grows from: the base's, or of a resumed backup what it has completed and what of
    /// its base it can't have touched. `None` if it grows from nothing. The file's offset is shared: use `read_at`.
    pub fn base_manifest(&self) -> Option<&File> {
        self.growing.base_manifest.as_ref()
    }

    /// The file that the new manifest is to be written to, record by record; each record only when all of its
    /// directory is complete. The offset is shared with the returned file.
    pub fn manifest_file(&self) -> Result<File> {
        self.growing
            .manifest
            .try_clone()
            .during("open", "the partial manifest")
    }

    /// Whether unchanged directories are in the tree already, so that [`same`](Ingest::same) need not be called.
    pub fn carries_base(&self) -> bool {
        self.growing.growth == Growth::Whole
    }

    /// Takes over a directory of the base as it is. Returns the names of entries, sorted, whose content the base has lost:
    /// they are not in the tree and must not be in the manifest.
    pub fn same(&self, record: &RawRecord) -> Result<Vec<Box<[u8]>>> {
        self.growing.same(record)
    }

    /// Makes a directory what the delta says: `merged` is the outcome (pending files in it as announced), `base` the base's
    /// directory if the delta builds on it. What is pending is then to be given to the slot, each file once, by
    /// [`put_small`](Ingest::put_small), [`file`](Ingest::file), [`unchanged`](Ingest::unchanged),
    /// [`reuse`](Ingest::reuse) or [`skip`](Ingest::skip). What the slot says is [lost](DirSlot::lost) does not become part
    /// of the backup.
    pub fn directory(
        &self,
        delta: &DirDelta,
        merged: &DirRecord,
        base: Option<&DirRecord>,
    ) -> Result<Arc<DirSlot>> {
        self.growing.directory(delta, merged, base)
    }

    /// Writes a pending file whose content is there in one piece.
    pub fn put_small(&self, slot: &DirSlot, entry: &Entry, bytes: &[u8]) -> Result<()> {
        self.growing.put_small(slot, entry, bytes)
    }

    /// Opens a pending file for content that comes in pieces.
    ///
    /// Fails with [`Error::NoBase`](crate::Error::NoBase) if it is to be patched and the base has no such file; it is
    /// still pending then.
    pub fn file(&self, slot: &Arc<DirSlot>, entry: &Entry, start: FileStart) -> Result<FileSink> {
        FileSink::open(&self.growing, slot, entry, start)
    }

    /// Takes the base's content of a pending file, whose metadata may have changed.
    ///
    /// Fails with [`Error::NoBase`](crate::Error::NoBase) if the base has no such file; it is still pending then.
    pub fn unchanged(&self, slot: &DirSlot, entry: &Entry) -> Result<()> {
        self.growing.keep_content(slot, entry)?;
        slot.settle()
    }

    /// Takes the content of a pending file from where the index says that it lies. The entry has its final size and hash.
    pub fn reuse(&self, slot: &DirSlot, entry: &Entry, location: &Location) -> Result<Reuse> {
        self.growing.reuse(slot, entry, location)
    }

    /// Takes the content of a pending file from a file of this same backup that is complete already.
    pub fn reuse_own(&self, slot: &DirSlot, entry: &Entry, path: &[u8]) -> Result<Reuse> {
        self.growing.reuse_own(slot, entry, path)
    }

    /// Leaves a pending file out of the backup.
    pub fn skip(&self, slot: &DirSlot, name: &[u8]) -> Result<()> {
        self.growing.clear(&slot.dir, &slot.path, name)?;
        slot.settle()
    }

    /// Sees to it that the tree has the base's version of a pending file whose content has not begun to come.
    ///
    /// Fails with [`Error::NoBase`](crate::Error::NoBase) if the base has no such file.
    pub fn keep_base(&self, slot: &DirSlot, base: &Entry) -> Result<()> {
        self.growing.keep_base(slot, base)
    }

    /// A new file for the directories that are not complete, as a manifest with the files that are there already; the
    /// next checkpoint makes it count.
    pub fn unfinished_file(&self) -> Result<File> {
        let work = &self.growing.work;
        let name = self.growing.state.lock().new_unfinished_file();
        crate::durable::remove(work, name.as_bytes())?;
        work.create_file(name.as_bytes(), 0o600).during("create", &name)
    }

    /// Makes durable what there is, so that a resumed backup can build on it even after a power loss. What the manifest's
    /// file holds at the begin of the call counts as done, and so does the last [`unfinished_file`](Self::unfinished_file).
    pub fn checkpoint(&self) -> Result<()> {
        self.growing.checkpoint()
    }

    /// Ends the session and keeps the incomplete backup, durably, to be resumed.
    pub fn suspend(self) -> Result<()> {
        self.growing.checkpoint()
    }

    /// What has been done so far.
    pub fn outcome(&self) -> Outcome {
        self.growing.tally.outcome()
    }

    /// Commits the backup under the name that its manifest, which must be finished, has in its header.
    ///
    /// On success it is durable, visible and read-only. On failure it is still incomplete and can be resumed, or,
    /// once its manifest is sealed, is completed by the next [`recover`](crate::Store::recover).
    pub fn commit(self, name: &BackupName) -> Result<Committed> {
        self.growing.commit(name)
    }
}

impl Growing {
    fn checkpoint(&self) -> Result<()> {
        let manifest_bytes = self
            .manifest
            .metadata()
            .during("look at", "the partial manifest")?
            .len();
        // ORDER: what the manifest lists is durable before the state says so.
        cow_fs::sync_file_system(&self.tree.dir).during("sync", "the incomplete backup")?;
        crate::crash::point("checkpoint: tree durable");
        let mut state = self.state.lock();
        let (new, unfinished) = (state.new_unfinished_file(), state.unfinished_file());
        match self
            .work
            .rename(new.as_bytes(), &self.work, unfinished.as_bytes())
        {
            // Nothing was unfinished.
            Err(error) if error.is_not_found() => {}
            renamed => renamed.during("put in place", &unfinished)?,
        }
        state.checkpoint = Some(Checkpoint { manifest_bytes });
        state.boot = boot_id();
        state.write(&self.work)
    }

    /// Counts how far an entry's metadata could be applied.
    fn tallied(&self, applied: file_tree::Result<Fidelity>, path: &[u8], name: &[u8]) -> Result<()> {
        self.tally
            .fidelity(applied.during_entry("set the metadata of", path, name)?);
        Ok(())
    }

    fn apply_new(&self, file: &File, metadata: &Metadata, path: &[u8], name: &[u8]) -> Result<()> {
        self.tallied(self.attributes.apply_new(file, metadata), path, name)
    }

    /// Lists a directory in which entries that are the base's may have content of their own.
    fn note_retold(&self, path: &[u8]) -> Result<()> {
        match &self.retold {
            Some(retold) => retold.add(path),
            None => Retold::open(&self.work)?.add(path),
        }
    }

    /// A file has got content that was proven, or taken from where that is not known to be damaged.
    fn note_sound(&self, path: &[u8], name: &[u8]) {
        let mut damaged = self.damaged.lock();
        if !damaged.is_empty() {
            damaged.remove(&manifest::join_path(path, name));
        }
    }

    /// A file has got new content in a part of it: what was damaged still is, if that is not the part.
    fn note_patched(&self, path: &[u8], entry: &Entry) {
        let mut damaged = self.damaged.lock();
        if !damaged.is_empty()
            && let Some(hash) = entry.hash()
        {
            let path = manifest::join_path(path, &entry.name);
            if damaged.remove(&path) {
                damaged.insert(path, hash);
            }
        }
    }

    /// A file of the tree has content that is not what the manifest will say.
    fn note_damaged(&self, path: &[u8], hash: ContentHash) -> Result<()> {
        self.damaged.lock().insert(path.into(), hash);
        damage::append(&self.work, path, hash)
    }

    fn split_links(&self) {
        self.has_split_links.store(true, Ordering::Relaxed);
    }
}
