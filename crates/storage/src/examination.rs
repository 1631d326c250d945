//! What can be said of a storage without opening it: whose it is, what its file system can do now, and whether it can be
//! written to. Nothing is locked; whatever is written is gone at the end.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use cow_fs::Capabilities;
use file_tree::{Access, Dir};

use crate::error::{During as _, Error, Result};
use crate::identity::Identity;
use crate::layout::{Layout, STATE};
use crate::names::ServerId;
use crate::{BackendKind, Space};

/// The file that is written for a trial, and removed.
const TRIAL: &str = ".trial.new";
const TRIAL_BYTES: usize = 64 << 10;

/// What an examination finds.
#[derive(Debug)]
pub struct Examination {
    /// The server that owns the storage.
    pub owner: ServerId,
    /// The storage's own identity.
    pub id: String,
    /// The backend that it was made for.
    pub backend: BackendKind,
    /// The backend that it would get if it were made now.
    pub best_backend: BackendKind,
    /// Why its file system can't carry the backend, where it can't.
    pub lacking: Option<String>,
    /// What its file system can do.
    pub capabilities: Capabilities,
    /// How much space there is.
    pub space: Space,
    /// What came of writing to it.
    pub written: Result<Written>,
}

/// A file that was written, made durable, read again and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// When it was written, by the file system's time, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Examines the storage at `path`, whoever has it open.
///
/// Fails with [`Error::Missing`], [`Error::NotAStorage`], [`Error::NewerFormat`], or where its file system can't be tried.
pub fn examine(path: &Path) -> Result<Examination> {
    let not_ours = || Error::NotAStorage {
        path: path.to_owned(),
    };
    let root = Layout::open_root(path)?;
    let state = Layout::find_state(&root)?.ok_or_else(not_ours)?;
    let identity = Identity::read(&state, path)?.ok_or_else(not_ours)?;
    let written = write_trial(&state);
    let capabilities = cow_fs::probe(&path.join(STATE)).during("probe", path)?;
    Ok(Examination {
        owner: identity.owner,
        id: identity.storage,
        backend: identity.backend,
        best_backend: BackendKind::best(&capabilities),
        lacking: identity.backend.lacking(&capabilities),
        capabilities,
        space: Space::of(&root, path)?,
        written,
    })
}

fn write_trial(state: &Dir) -> Result<Written> {
    crate::durable::remove(state, TRIAL.as_bytes())?;
    let tried = try_file(state);
    let removed = crate::durable::remove(state, TRIAL.as_bytes());
    let written = tried?;
    removed.map(|()| written)
}

fn try_file(state: &Dir) -> Result<Written> {
    let content: Vec<u8> = (0..TRIAL_BYTES).map(|at| (at % 251) as u8).collect();
    let mut file = state
        .create_file(TRIAL.as_bytes(), 0o600)
        .during("create", TRIAL)?;
    file.write_all(&content).during("write", TRIAL)?;
    file.sync_all().during("sync", TRIAL)?;
    let stat = rustix::fs::fstat(&file).during("look at", TRIAL)?;
    let mut read = Vec::with_capacity(TRIAL_BYTES);
    let file: File = state
        .open_file(TRIAL.as_bytes(), Access::Read)
        .during("open", TRIAL)?;
    file.take(2 * TRIAL_BYTES as u64)
        .read_to_end(&mut read)
        .during("read", TRIAL)?;
    if read != content {
        return Err(Error::corrupt(TRIAL, "what was written is not what is read"));
    }
    let at_ms = stat
        .st_mtime
        .saturating_mul(1000)
        .saturating_add(i64::try_from(stat.st_mtime_nsec / 1_000_000).unwrap_or_default());
    Ok(Written { at_ms })
}
