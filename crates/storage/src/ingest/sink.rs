//! `FileSink`: a file of the growing tree that is written in pieces.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use file_tree::{Access, FileType};
use manifest::{Entry, join_path};
use parking_lot::Mutex;

use super::content::no_base;
use super::{DirSlot, FileStart, Growing};
use crate::error::{During as _, Error, Result};

/// So much of a file is written before the system is asked to begin to bring it to the disk: what a commit has to wait
/// for in the end shall not pile up in memory.
const WRITEBACK_BYTES: u64 = 16 << 20;
/// What is written where a file system has no holes to punch.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// An open file that takes content at any offset, from any number of threads.
///
/// Dropped without [`finish`](FileSink::finish) the file is still pending.
#[derive(Debug)]
pub struct FileSink {
    growing: Arc<Growing>,
    slot: Arc<DirSlot>,
    name: Box<[u8]>,
    start: FileStart,
    state: Mutex<State>,
    /// End of what the file has had so far.
    high_bytes: AtomicU64,
    /// Written since the system was last asked to begin.
    gathered: Mutex<Range<u64>>,
}

#[derive(Debug)]
enum State {
    /// To be patched, and nothing written yet; the base's file has this size.
    Untouched { size_bytes: u64 },
    /// Open for writing.
    Open { file: Arc<File>, origin: Origin },
}

/// What an open file was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Nothing, or another inode.
    Made,
    /// The base's file itself, with its metadata.
    Base,
}

impl FileSink {
    pub(super) fn open(
        growing: &Arc<Growing>,
        slot: &Arc<DirSlot>,
        entry: &Entry,
        start: FileStart,
    ) -> Result<Self> {
        if entry.hash().is_none() {
            return Err(Error::invalid_entry(
                &join_path(&slot.path, &entry.name),
                "only files have content",
            ));
        }
        let base_bytes = match start {
            FileStart::New => 0,
            FileStart::Patch => base_size(growing, slot, &entry.name)?,
        };
        let state = match start {
            FileStart::New => {
                let file = growing.create(slot, &entry.name, entry.metadata.mode)?;
                State::Open {
                    file: Arc::new(file),
                    origin: Origin::Made,
                }
            }
            FileStart::Patch => State::Untouched {
                size_bytes: base_bytes,
            },
        };
        Ok(Self {
            growing: Arc::clone(growing),
            slot: Arc::clone(slot),
            name: entry.name.clone(),
            start,
            state: Mutex::new(state),
            high_bytes: AtomicU64::new(base_bytes),
            gathered: Mutex::new(0..0),
        })
    }

    /// Opens a pending file that begins with the content of another one of the storage, which is sound.
    pub(crate) fn open_from(
        growing: &Arc<Growing>,
        slot: &Arc<DirSlot>,
        entry: &Entry,
        source: &File,
    ) -> Result<Self> {
        let file = growing.create_from(source, slot, &entry.name)?;
        let size_bytes = file
            .metadata()
            .during_entry("look at", &slot.path, &entry.name)?
            .len();
        let state = State::Open {
            file: Arc::new(file),
            origin: Origin::Made,
        };
        Ok(Self {
            growing: Arc::clone(growing),
            slot: Arc::clone(slot),
            name: entry.name.clone(),
            start: FileStart::New,
            state: Mutex::new(state),
            high_bytes: AtomicU64::new(size_bytes),
            gathered: Mutex::new(0..0),
        })
    }

    /// Whether the file has these bytes there already.
    pub(crate) fn holds(&self, bytes: &[u8], offset_bytes: u64) -> Result<bool> {
        let (file, _) = self.opened()?;
        let mut found = vec![0; bytes.len()];
        match file.read_exact_at(&mut found, offset_bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            read => {
                read.during_entry("read", &self.slot.path, &self.name)?;
                Ok(found == bytes)
            }
        }
    }

    /// Writes a piece.
    pub fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> Result<()> {
        let (file, _) = self.opened()?;
        file.write_all_at(bytes, offset_bytes)
            .during_entry("write", &self.slot.path, &self.name)?;
        self.high_bytes
            .fetch_max(offset_bytes.saturating_add(bytes.len() as u64), Ordering::Relaxed);
        self.growing.tally.written_bytes(bytes.len() as u64);
        self.gather(&file, offset_bytes, bytes.len() as u64);
        Ok(())
    }

    /// Has the system begin to write what has gathered once that is much.
    fn gather(&self, file: &File, offset_bytes: u64, len_bytes: u64) {
        let end_bytes = offset_bytes.saturating_add(len_bytes);
        let mut gathered = self.gathered.lock();
        if gathered.end != offset_bytes {
            *gathered = offset_bytes..offset_bytes;
        }
        gathered.end = end_bytes;
        let len_bytes = gathered.end - gathered.start;
        if len_bytes >= WRITEBACK_BYTES {
            // It is a hint: the commit brings everything to the disk.
            let _ = cow_fs::start_writeback(file, gathered.start, len_bytes);
            *gathered = end_bytes..end_bytes;
        }
    }

    /// Makes a range a hole, which reads as zeros. What lies beyond the end that the file has in the end does not matter.
    pub fn punch(&self, offset_bytes: u64, len_bytes: u64) -> Result<()> {
        let (file, origin) = self.opened()?;
        if origin == Origin::Made && offset_bytes >= self.high_bytes.load(Ordering::Relaxed) {
            // Nothing was ever there.
            return Ok(());
        }
        let done = match cow_fs::punch_hole(&*file, offset_bytes, len_bytes) {
            Err(cow_fs::Error::Unsupported { .. }) => {
                return self.write_zeros(&file, offset_bytes, len_bytes);
            }
            done => done,
        };
        done.during_entry("punch a hole into", &self.slot.path, &self.name)
    }

    fn write_zeros(&self, file: &File, offset_bytes: u64, len_bytes: u64) -> Result<()> {
        let size_bytes = file
            .metadata()
            .during_entry("look at", &self.slot.path, &self.name)?
            .len();
        let end_bytes = offset_bytes.saturating_add(len_bytes).min(size_bytes);
        let mut at_bytes = offset_bytes;
        while at_bytes < end_bytes {
            let step_bytes = (end_bytes - at_bytes).min(ZEROS.len() as u64);
            file.write_all_at(&ZEROS[..step_bytes as usize], at_bytes)
                .during_entry("write", &self.slot.path, &self.name)?;
            at_bytes += step_bytes;
        }
        Ok(())
    }

    /// Gives the file its final size and metadata. Nothing may be written at the same time.
    pub fn finish(self, entry: &Entry) -> Result<()> {
        if entry.name != self.name {
            return Err(Error::invalid_entry(&entry.name, "another file was opened"));
        }
        let size_bytes = entry.size();
        let untouched =
            matches!(*self.state.lock(), State::Untouched { size_bytes: base } if base == size_bytes);
        if untouched {
            self.growing.keep_content(&self.slot, entry)?;
            return self.slot.settle();
        }
        let (file, origin) = self.opened()?;
        let (path, name) = (&*self.slot.path, &*self.name);
        let has_size = origin == Origin::Made && self.high_bytes.load(Ordering::Relaxed) == size_bytes;
        if !has_size {
            file.set_len(size_bytes)
                .during_entry("set the size of", path, name)?;
        }
        let attributes = self.growing.attributes;
        let applied = match origin {
            Origin::Made => attributes.apply_new(&file, &entry.metadata),
            Origin::Base => attributes.apply_over(&file, &entry.metadata),
        };
        self.growing.tallied(applied, path, name)?;
        self.growing.tally.written_file();
        match self.start {
            FileStart::New => self.growing.note_sound(path, name),
            FileStart::Patch => self.growing.note_patched(path, entry),
        }
        self.slot.settle()
    }

    /// The file, open for writing; one that is to be patched is made ready by the first call.
    fn opened(&self) -> Result<(Arc<File>, Origin)> {
        let mut state = self.state.lock();
        if let State::Open { file, origin } = &*state {
            return Ok((Arc::clone(file), *origin));
        }
        let (file, origin) = self.open_patched()?;
        let file = Arc::new(file);
        *state = State::Open {
            file: Arc::clone(&file),
            origin,
        };
        Ok((file, origin))
    }

    fn open_patched(&self) -> Result<(File, Origin)> {
        let (path, name) = (&*self.slot.path, &*self.name);
        let from = self.growing.base_dir(&self.slot, name)?;
        let nlink = from.stat(name).during_entry("look at", path, name)?.nlink;
        if self.growing.may_change(&self.slot, nlink) {
            match from.open_file(name, Access::ReadWrite) {
                Ok(file) => return Ok((file, Origin::Base)),
                // A server that is not root can't write to its own read-only files: it makes another one.
                Err(error) if error.is_denied() => {}
                Err(error) => return Err(error).during_entry("open", path, name),
            }
        }
        let source = from
            .open_file(name, Access::Read)
            .during_entry("open", path, name)?;
        Ok((self.growing.create_from(&source, &self.slot, name)?, Origin::Made))
    }
}

/// The size of the base's version of a file.
fn base_size(growing: &Growing, slot: &DirSlot, name: &[u8]) -> Result<u64> {
    match growing.base_dir(slot, name)?.stat(name) {
        Ok(stat) if stat.kind == FileType::File => Ok(stat.size),
        Ok(_) => Err(no_base(&slot.path, name)),
        Err(error) if error.is_not_found() => Err(no_base(&slot.path, name)),
        Err(error) => Err(error).during_entry("look at", &slot.path, name),
    }
}
