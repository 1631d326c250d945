//! A file whose content arrives: where it goes, how it is checked, and how it is put into place.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use file_tree::metadata::{Prior, apply, prepare_empty_file};
use manifest::content::{BlockHasher, hash_block};
use manifest::{BLOCK_BYTES, BlockHash, ContentHash, Entry, Kind};
use wire::v1::Range;

use super::state::{OpenDir, State};

/// How the names of files begin that are not complete yet.
pub(super) const TEMPORARY_PREFIX: &[u8] = b".perennial-restore-";

/// A file that has been asked for.
pub(super) struct Incoming {
    pub(super) dir: Arc<OpenDir>,
    pub(super) entry: Entry,
    pub(super) placement: Placement,
}

/// How content gets to its place.
pub(super) enum Placement {
    /// It is held in memory until all is there, and created where it belongs; with holes as
    /// [`Placement::Temporary`].
    Direct,
    /// It is written under another name that is renamed when all is there.
    Temporary,
    /// Ranges of an existing file are overwritten.
    Patch(Patch),
}

/// An existing file of which only ranges are wrong.
pub(super) struct Patch {
    pub(super) file: File,
    pub(super) ranges: Vec<Range>,
    /// The name that it has until it is complete, where that is not its own.
    pub(super) temporary: Option<Box<[u8]>>,
}

/// Why one file could not be restored.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// What arrived is not what the manifest says.
    #[error("what the server has is not what was backed up")]
    Corrupt,
    /// It can't be written.
    #[error(transparent)]
    Tree(#[from] file_tree::Error),
    /// It can't be written.
    #[error("it can't be written: {0}")]
    Io(#[from] std::io::Error),
}

/// A file that is arriving.
pub(super) struct Arriving {
    incoming: Incoming,
    file: Option<File>,
    /// The name under which it is written.
    name: Box<[u8]>,
    /// Of content that arrives as a whole.
    hasher: BlockHasher,
    /// What has arrived of a file that is created where it belongs once all of it is there.
    held: Option<Vec<u8>>,
    failure: Option<FileError>,
}

impl Arriving {
    /// Begins to take a file; `id` makes its temporary name unique.
    pub(super) fn begin(incoming: Incoming, id: u64) -> Self {
        let mut arriving = Self {
            name: temporary_name(&incoming.entry, id),
            file: None,
            hasher: BlockHasher::new(),
            held: None,
            failure: None,
            incoming,
        };
        let placed = match &arriving.incoming.placement {
            Placement::Direct => {
                arriving.held = Some(Vec::new());
                Ok(())
            }
            Placement::Temporary => arriving.create(),
            Placement::Patch(patch) => {
                arriving.name = patch
                    .temporary
                    .clone()
                    .unwrap_or_else(|| arriving.incoming.entry.name.clone());
                patch
                    .file
                    .try_clone()
                    .map_err(FileError::from)
                    .map(|file| arriving.file = Some(file))
            }
        };
        arriving.failure = placed.err();
        arriving
    }

    /// What was asked for.
    pub(super) fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    fn create(&mut self) -> Result<(), FileError> {
        let file = self.incoming.dir.dir.create_file(&self.name, 0o600)?;
        prepare_empty_file(&file, self.incoming.entry.metadata.flags)?;
        self.file = Some(file);
        Ok(())
    }

    /// Takes bytes and the hole that follows them.
    pub(super) fn take(&mut self, offset_bytes: u64, bytes: &[u8], hole_len_bytes: u64) {
        if self.failure.is_none() {
            self.failure = self.write(offset_bytes, bytes, hole_len_bytes).err();
        }
    }

    fn write(&mut self, offset_bytes: u64, bytes: &[u8], hole_len_bytes: u64) -> Result<(), FileError> {
        if bytes.is_empty() && hole_len_bytes == 0 {
            return Ok(());
        }
        let end = offset_bytes + bytes.len() as u64;
        if end + hole_len_bytes > self.incoming.entry.size() {
            return Err(FileError::Corrupt);
        }
        if let Some(held) = &mut self.held {
            if hole_len_bytes == 0 && offset_bytes == held.len() as u64 {
                held.extend_from_slice(bytes);
                return Ok(());
            }
            self.spill()?;
        }
        let Some(file) = &self.file else { return Ok(()) };
        file.write_all_at(bytes, offset_bytes)?;
        if let Placement::Patch(_) = self.incoming.placement {
            return Ok(clear(file, end, hole_len_bytes)?);
        }
        // A whole file arrives in order: what is not there is a hole that was not mentioned.
        let gap = offset_bytes
            .checked_sub(self.hasher.size())
            .ok_or(FileError::Corrupt)?;
        hash_zeros(&mut self.hasher, gap);
        self.hasher.update(bytes);
        hash_zeros(&mut self.hasher, hole_len_bytes);
        Ok(())
    }

    /// Goes on in a file with what has been held in memory.
    fn spill(&mut self) -> Result<(), FileError> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        self.create()?;
        self.write(0, &held, 0)
    }

    /// Ends the file: checks it and puts it into place. Leaves nothing of it behind where that fails.
    pub(super) fn finish(mut self, state: &State) -> Result<(), FileError> {
        if let (Some(held), None) = (&self.held, &self.failure) {
            return self.incoming.create_whole(held, state);
        }
        let finished = self.check().and_then(|()| self.place(state));
        if finished.is_err() {
            self.abandon();
        }
        finished
    }

    /// Gives the file up; what is worth going on with stays.
    pub(super) fn abandon(self) {
        let keeps =
            matches!(&self.incoming.placement, Placement::Patch(_)) || keeps_temporary(&self.incoming.entry);
        if !keeps && self.file.is_some() {
            // Left behind it would be removed by the next restore.
            let _ = self.incoming.dir.dir.remove(&self.name);
        }
    }

    fn check(&mut self) -> Result<(), FileError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Kind::File {
            size,
            hash,
            block_hashes,
        } = &self.incoming.entry.kind
        else {
            return Err(FileError::Corrupt);
        };
        let file = self.file.as_ref().ok_or(FileError::Corrupt)?;
        if let Placement::Patch(patch) = &self.incoming.placement {
            file.set_len(*size)?;
            return check_ranges(file, *size, block_hashes, &patch.ranges);
        }
        let rest = size.saturating_sub(self.hasher.size());
        hash_zeros(&mut self.hasher, rest);
        let hashed = std::mem::take(&mut self.hasher).finish();
        if hashed.size != *size || hashed.hash != *hash {
            return Err(FileError::Corrupt);
        }
        Ok(file.set_len(*size)?)
    }

    fn place(&mut self, state: &State) -> Result<(), FileError> {
        let Incoming {
            dir,
            entry,
            placement,
        } = &self.incoming;
        let file = self.file.as_ref().ok_or(FileError::Corrupt)?;
        let prior = match placement {
            Placement::Patch(_) => Prior::Unknown,
            Placement::Direct | Placement::Temporary => dir.prior,
        };
        let path = manifest::join_path(&dir.path, &entry.name);
        let refused = apply(file, &entry.metadata, state.apply(prior))?;
        state.refusals.note(&path, &refused);
        if self.name != entry.name {
            dir.dir.rename(&self.name, &dir.dir, &entry.name)?;
        }
        state.protect_later(path, &entry.metadata);
        Ok(())
    }
}

impl FileError {
    /// Whether the target is full, so that nothing else would fit either.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Corrupt => false,
            Self::Tree(error) => matches!(error, file_tree::Error::NoSpace { .. }),
            Self::Io(error) => {
                matches!(
                    error.kind(),
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
                )
            }
        }
    }
}

impl Incoming {
    /// Its path from the target.
    pub(super) fn path(&self) -> Box<[u8]> {
        manifest::join_path(&self.dir.path, &self.entry.name)
    }

    /// Creates a file where it belongs.
    fn create_whole(&self, bytes: &[u8], state: &State) -> Result<(), FileError> {
        let Self { dir, entry, .. } = self;
        if bytes.len() as u64 != entry.size() || Some(ContentHash::of(bytes)) != entry.hash() {
            return Err(FileError::Corrupt);
        }
        let file = dir.dir.create_file(&entry.name, 0o600)?;
        let written = (|| {
            prepare_empty_file(&file, entry.metadata.flags)?;
            file.write_all_at(bytes, 0)?;
            let refused = apply(&file, &entry.metadata, state.apply(dir.prior))?;
            let path = manifest::join_path(&dir.path, &entry.name);
            state.refusals.note(&path, &refused);
            state.protect_later(path, &entry.metadata);
            Ok(())
        })();
        if written.is_err() {
            // Half a file under its own name must not stay.
            let _ = dir.dir.remove(&entry.name);
        }
        written
    }
}

/// The name that a file has until it is complete. Where its blocks can be checked it follows from what the
/// file will be, so that a later restore finds it and goes on.
pub(super) fn temporary_name(entry: &Entry, id: u64) -> Box<[u8]> {
    let suffix = if keeps_temporary(entry) {
        let hash = entry.hash().unwrap_or(ContentHash::PENDING);
        ContentHash::of(&[&hash.0[..], &entry.name].concat()).to_string()
    } else {
        id.to_string()
    };
    [TEMPORARY_PREFIX, suffix.as_bytes()].concat().into()
}

/// Whether an incomplete file is worth being kept.
pub(super) fn keeps_temporary(entry: &Entry) -> bool {
    matches!(&entry.kind, Kind::File { block_hashes, .. } if !block_hashes.is_empty())
}

/// Checks the blocks of ranges that were written.
fn check_ranges(file: &File, size: u64, hashes: &[BlockHash], ranges: &[Range]) -> Result<(), FileError> {
    let mut buffer = vec![0; BLOCK_BYTES as usize];
    for range in ranges {
        let mut at = range.offset_bytes;
        let end = (range.offset_bytes + range.len_bytes).min(size);
        while at < end {
            let block = &mut buffer[..BLOCK_BYTES.min(size - at) as usize];
            file.read_exact_at(block, at)?;
            let index = at / BLOCK_BYTES;
            if hashes.get(index as usize) != Some(&hash_block(index, block)) {
                return Err(FileError::Corrupt);
            }
            at += BLOCK_BYTES;
        }
    }
    Ok(())
}

/// Makes a range read as zeros, as a hole where the file system can.
fn clear(file: &File, start: u64, len_bytes: u64) -> std::io::Result<()> {
    if len_bytes == 0 || cow_fs::punch_hole(file, start, len_bytes).is_ok() {
        return Ok(());
    }
    each_zeros(len_bytes, |at, zeros| file.write_all_at(zeros, start + at))
}

fn hash_zeros(hasher: &mut BlockHasher, len_bytes: u64) {
    let hashed: Result<(), std::convert::Infallible> = each_zeros(len_bytes, |_, zeros| {
        hasher.update(zeros);
        Ok(())
    });
    hashed.unwrap_or_else(|never| match never {});
}

/// Gives so many zeros, block by block.
fn each_zeros<E>(len_bytes: u64, mut each: impl FnMut(u64, &[u8]) -> Result<(), E>) -> Result<(), E> {
    static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];
    let mut at = 0;
    while at < len_bytes {
        let now = BLOCK_BYTES.min(len_bytes - at);
        each(at, &ZEROS[..now as usize])?;
        at += now;
    }
    Ok(())
}
