//! The content of files: taken from the target where that has it, else read in the source and proven.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use manifest::content::{BlockHasher, hash_block};
use manifest::volume::is_zero;
use manifest::{BLOCK_BYTES, BlockHash, ContentHash, DirRecord, Entry};

use super::keep::{Keep, begun};
use super::salvage::{self, Found};
use super::wanted::{Prior, Wanted, is_patchable};
use super::{Route, TransferOptions};
use crate::SMALL_FILE_BYTES;
use crate::crash;
use crate::error::{During as _, Error, Result, shown};
use crate::index::Location;
use crate::ingest::{DirSlot, FileSink, FileStart, Ingest, Reuse};
use crate::names::BackupName;
use crate::tree::{BackupTree, open_regular};

/// So many files of this backup are remembered by their content.
const OWN_FILES: usize = 100_000;

/// Gives files their content.
pub(super) struct Contents<'a> {
    route: &'a Route<'a>,
    ingest: &'a Ingest,
    /// What this backup grows from, also where the manifest of a resumed one knows nothing of it.
    base: Option<(BackupName, BackupTree)>,
    /// Where content lies that this backup has got from the source.
    own: HashMap<(ContentHash, u64), Box<[u8]>>,
    buffer: Vec<u8>,
    pub keep: Keep<'a>,
    is_resumed: bool,
}

impl<'a> Contents<'a> {
    pub fn new(route: &'a Route<'a>, ingest: &'a Ingest, options: &TransferOptions<'_>) -> Result<Self> {
        let base = match ingest.base_name() {
            Some(name) => match route.to.open_backup(route.client(), &name) {
                // It has been deleted since the transfer was begun.
                Err(Error::UnknownBackup { .. } | Error::Busy { .. }) => None,
                opened => Some((name, opened?)),
            },
            None => None,
        };
        Ok(Self {
            route,
            ingest,
            base,
            own: HashMap::new(),
            buffer: vec![0; BLOCK_BYTES as usize],
            keep: Keep::new(ingest, route.source.manifest().header(), options.checkpoint_bytes)?,
            is_resumed: ingest.is_resumed(),
        })
    }

    /// Gives all files of a directory that are pending their content.
    pub fn give<'e>(
        &mut self,
        slot: &'e Arc<DirSlot>,
        entries: impl Iterator<Item = &'e Entry>,
        base: Option<&'e DirRecord>,
    ) -> Result<()> {
        let earlier = match (base, &self.base) {
            (base, Some((_, tree))) if base.is_none() || self.is_resumed => {
                tree.manifest().directory(slot.path())
            }
            _ => Ok(None),
        };
        let earlier = earlier.map_err(self.route.manifest_error())?;
        let dir = match self.route.source.open_directory(slot.path()) {
            Err(error) if is_lost(&error) => None,
            opened => Some(opened?),
        };
        for entry in entries {
            self.route.check_cancelled()?;
            let Some(mut wanted) = Wanted::new(slot, entry, base) else {
                continue;
            };
            if self.ingest.is_damaged(&wanted.path) {
                wanted.old = None;
            }
            let earlier = earlier.as_ref().and_then(|record| record.find(&entry.name));
            if self.take(&wanted, earlier)? {
                self.keep.add(entry);
                continue;
            }
            match dir.as_ref().map(|dir| open_regular(dir, &entry.name)) {
                Some(Ok(file)) => {
                    self.copy(&wanted, &file, earlier)?;
                    self.keep.add(entry);
                }
                Some(Err(error)) if !is_lost(&error) => return Err(error),
                _ => self.miss(&wanted)?,
            }
            crash::point("transfer: file complete");
            self.keep.checkpoint_if_due(|| None)?;
        }
        Ok(())
    }

    /// Takes content that the target has. Returns whether it has it.
    fn take(&self, wanted: &Wanted<'_>, earlier: Option<&Entry>) -> Result<bool> {
        let Wanted { slot, entry, .. } = *wanted;
        if wanted.old.is_some_and(|old| wanted.is_in(old)) {
            match self.ingest.unchanged(slot, entry) {
                Err(Error::NoBase { .. }) => {}
                done => return done.map(|()| true),
            }
        }
        let is_done = |reused| reused == Reuse::Done;
        if earlier == Some(entry)
            && let Some((backup, _)) = &self.base
        {
            let location = Location {
                client: self.route.client().clone(),
                backup: backup.clone(),
                path: wanted.path.clone(),
            };
            if is_done(self.ingest.reuse(slot, entry, &location)?) {
                return Ok(true);
            }
        }
        if wanted.size <= SMALL_FILE_BYTES {
            return Ok(false);
        }
        let index = self.route.to.index();
        if index.has_size(wanted.size)
            && let Some(location) = index.lookup(wanted.hash, wanted.size)
            && is_done(self.ingest.reuse(slot, entry, &location)?)
        {
            return Ok(true);
        }
        match self.own.get(&(wanted.hash, wanted.size)) {
            Some(path) => self.ingest.reuse_own(slot, entry, path).map(is_done),
            None => Ok(false),
        }
    }

    /// Copies content from the source.
    fn copy(&mut self, wanted: &Wanted<'_>, source: &File, earlier: Option<&Entry>) -> Result<()> {
        let is_known_damaged = self.ingest.is_damaged(&wanted.path);
        if is_known_damaged && self.is_as_in_base(wanted, source)? {
            // As damaged as in the base: it stays so, and shared.
            self.ingest.unchanged(wanted.slot, wanted.entry)?;
            return self.note_damaged(wanted);
        }
        if is_known_damaged {
            self.ingest.note_retold(wanted.slot.path())?;
        }
        let found = if wanted.size <= SMALL_FILE_BYTES {
            self.copy_small(wanted, source)?
        } else {
            let (sink, prior) = self.open_sink(wanted, earlier)?;
            let found = match (prior, wanted.has_block_hashes()) {
                (Prior::Blocks(known, bytes), true) => self.patch(wanted, source, &sink, (known, bytes))?,
                (Prior::Nothing, _) => self.write(wanted, source, &sink, |_, _| Ok(false))?,
                _ => self.write(wanted, source, &sink, |block, at| sink.holds(block, at))?,
            };
            sink.finish(wanted.entry)?;
            found
        };
        match found {
            Found::Salvaged => self.note_damaged(wanted),
            Found::Whole => {
                if wanted.size > SMALL_FILE_BYTES && self.own.len() < OWN_FILES {
                    self.own.insert((wanted.hash, wanted.size), wanted.path.clone());
                }
                Ok(())
            }
        }
    }

    fn copy_small(&mut self, wanted: &Wanted<'_>, source: &File) -> Result<Found> {
        let mut bytes = vec![0; wanted.size as usize];
        let found = self.read(wanted, source, &mut bytes, 0)?;
        let is_right = ContentHash::of(&bytes) == wanted.hash;
        self.ingest.put_small(wanted.slot, wanted.entry, &bytes)?;
        Ok(if is_right { found } else { Found::Salvaged })
    }

    /// Opens the file in the target, with what it can begin with.
    fn open_sink<'e>(
        &self,
        wanted: &Wanted<'e>,
        earlier: Option<&'e Entry>,
    ) -> Result<(FileSink, Prior<'e>)> {
        let Wanted { slot, entry, .. } = *wanted;
        if let Some(old) = wanted.old.filter(|old| is_patchable(old)) {
            match self.ingest.file(slot, entry, FileStart::Patch) {
                Err(Error::NoBase { .. }) => {}
                opened => return Ok((opened?, Prior::of(old))),
            }
        }
        if let Some((name, base)) = &self.base
            && let Some(earlier) = earlier.filter(|earlier| is_patchable(earlier))
            && !self
                .route
                .to
                .shared
                .damaged(self.route.client(), name)?
                .contains(&wanted.path)
            && let Ok(file) = base.open_file(&wanted.path)
        {
            return Ok((self.ingest.file_from(slot, entry, &file)?, Prior::of(earlier)));
        }
        Ok((self.ingest.file(slot, entry, FileStart::New)?, Prior::Nothing))
    }

    /// Copies the blocks that differ from those that the file begins with, and proves each.
    fn patch(
        &mut self,
        wanted: &Wanted<'_>,
        source: &File,
        sink: &FileSink,
        (known, prior_bytes): (&[BlockHash], u64),
    ) -> Result<Found> {
        let mut all_found = match ContentHash::from_blocks(wanted.size, wanted.block_hashes) {
            Some(hash) if hash == wanted.hash => Found::Whole,
            _ => Found::Salvaged,
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        for (index, hash) in (0..).zip(wanted.block_hashes) {
            if known.get(index as usize) == Some(hash) {
                continue;
            }
            let at = index * BLOCK_BYTES;
            let block = &mut buffer[..(wanted.size - at).min(BLOCK_BYTES) as usize];
            let found = self.read(wanted, source, block, at)?;
            if found == Found::Salvaged || hash_block(index, block) != *hash {
                all_found = Found::Salvaged;
            }
            put(sink, block, at)?;
            if all_found == Found::Whole {
                self.keep
                    .checkpoint_if_due(|| wanted.begun_over(known, prior_bytes, index as usize + 1))?;
            }
        }
        self.buffer = buffer;
        Ok(all_found)
    }

    /// Copies all of a file but what it holds already, and proves it as a whole.
    fn write(
        &mut self,
        wanted: &Wanted<'_>,
        source: &File,
        sink: &FileSink,
        holds: impl Fn(&[u8], u64) -> Result<bool>,
    ) -> Result<Found> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut hasher = BlockHasher::new();
        let mut at = 0;
        while at < wanted.size {
            let block = &mut buffer[..(wanted.size - at).min(BLOCK_BYTES) as usize];
            self.read(wanted, source, block, at)?;
            hasher.update(block);
            if !holds(block, at)? {
                put(sink, block, at)?;
            }
            at += block.len() as u64;
            let full = hasher.full_blocks();
            self.keep.checkpoint_if_due(|| {
                let size = full.len() as u64 * BLOCK_BYTES;
                begun(&wanted.entry.name, &wanted.entry.metadata, size, full)
            })?;
        }
        self.buffer = buffer;
        let is_right = hasher.finish().hash == wanted.hash;
        Ok(if is_right { Found::Whole } else { Found::Salvaged })
    }

    fn read(&mut self, wanted: &Wanted<'_>, source: &File, block: &mut [u8], at: u64) -> Result<Found> {
        self.route.check_cancelled()?;
        let found = salvage::read(source, block, at).during("read", shown(&wanted.path))?;
        self.keep.count(block.len() as u64);
        self.route.monitor.copied(&wanted.path, block.len() as u64);
        Ok(found)
    }

    /// Whether the source's file is, byte for byte, what the base has in the target.
    fn is_as_in_base(&mut self, wanted: &Wanted<'_>, source: &File) -> Result<bool> {
        let Some(base) = self.ingest.open_base_file(wanted.slot, &wanted.entry.name)? else {
            return Ok(false);
        };
        if base.metadata().during("look at", shown(&wanted.path))?.len() != wanted.size {
            return Ok(false);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let (mut at, mut is_same) = (0, true);
        while at < wanted.size && is_same {
            let block = &mut buffer[..(wanted.size - at).min(BLOCK_BYTES) as usize];
            self.read(wanted, source, block, at)?;
            let mut other = vec![0; block.len()];
            salvage::read(&base, &mut other, at).during("read", shown(&wanted.path))?;
            is_same = other == *block;
            at += block.len() as u64;
        }
        self.buffer = buffer;
        Ok(is_same)
    }

    /// A file that the source has lost is missing in the target too.
    fn miss(&mut self, wanted: &Wanted<'_>) -> Result<()> {
        self.ingest.skip(wanted.slot, &wanted.entry.name)?;
        self.note_damaged(wanted)
    }

    fn note_damaged(&mut self, wanted: &Wanted<'_>) -> Result<()> {
        self.route.report(&wanted.path);
        self.ingest.note_damaged(&wanted.path, wanted.hash)
    }
}

fn put(sink: &FileSink, block: &[u8], at: u64) -> Result<()> {
    if is_zero(block) {
        sink.punch(at, block.len() as u64)
    } else {
        sink.write_at(block, at)
    }
}

/// Whether a failure to open a file means that it is not there.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::NotInBackup { .. } | Error::Corrupt { .. } => true,
        Error::Io { source, .. } => crate::error::errno(source)
            .is_some_and(|errno| matches!(errno, rustix::io::Errno::IO | rustix::io::Errno::UCLEAN)),
        _ => false,
    }
}
