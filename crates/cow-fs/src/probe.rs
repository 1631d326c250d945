//! Finds out what a directory's file system can do, by really doing it in a temporary subdirectory.
//!
//! Names of file systems are for people; decisions rest on what was tried. Every trial cleans up after itself and the
//! subdirectory goes at the end, also after a failure. A trial that fails is no error: the capability is absent and
//! the reason is kept, so that it can be shown.

mod file_system;
mod place;
mod trial;

use std::fs::File;
use std::path::Path;

pub use file_system::FileSystem;

use crate::{Operation, Result};
use place::Place;

/// What the file system of a directory offers to the present user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Which file system it is.
    pub file_system: FileSystem,
    /// Files can share extents (`FICLONE`, `FICLONERANGE`).
    pub reflink: bool,
    /// Ranges can be freed (`fallocate`).
    pub punch_hole: bool,
    /// Unwritten ranges take no space and are found by `SEEK_HOLE`.
    pub sparse: bool,
    /// Subvolumes can be created, snapshotted, made read-only and deleted.
    pub subvolume_snapshot: bool,
    /// A file can have several names.
    pub hard_link: bool,
    /// Symbolic links can be made.
    pub symlink: bool,
    /// FIFOs can be made.
    pub fifo: bool,
    /// Device nodes can be made (a right of root).
    pub device_node: bool,
    /// Extended attributes of the `user.` namespace can be set.
    pub user_xattr: bool,
    /// POSIX access control lists can be set.
    pub posix_acl: bool,
    /// Files can be given to other users (a right of root).
    pub chown: bool,
    /// Permission bits stay as they are set.
    pub chmod: bool,
    /// Modification times keep nanoseconds.
    pub nanosecond_times: bool,
    /// Names of 255 bytes work.
    pub long_names: bool,
    /// Names may be any bytes but slash and NUL, so also invalid UTF-8, and differ when the bytes differ.
    pub byte_names: bool,
    /// Two names can be exchanged (`renameat2`).
    pub rename_exchange: bool,
    /// How many names a file may have, where that is known.
    pub max_links: Option<u64>,
    /// Why what is absent is absent.
    pub refusals: Vec<Refusal>,
}

/// Why a capability is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The capability, by the name of its field.
    pub capability: &'static str,
    /// What the trial met.
    pub reason: String,
    /// Whether that was a full disk, which says nothing of what the file system can do.
    pub is_untried: bool,
}

impl Capabilities {
    /// Why the capability of that field name is absent; `None` if it is present.
    pub fn refusal(&self, capability: &str) -> Option<&str> {
        self.refusals
            .iter()
            .find(|refusal| refusal.capability == capability)
            .map(|refusal| refusal.reason.as_str())
    }

    /// Whether the capability of that field name was found to be absent. One that a full disk left no room to try may
    /// be there.
    pub fn is_refused(&self, capability: &str) -> bool {
        self.refusals
            .iter()
            .any(|refusal| refusal.capability == capability && !refusal.is_untried)
    }

    /// Whether the disk was too full to try everything.
    pub fn has_untried(&self) -> bool {
        self.refusals.iter().any(|refusal| refusal.is_untried)
    }
}

/// Tries out what can be done in the directory `dir`, which must be writable.
///
/// Takes some milliseconds; on btrfs some more, for its subvolumes. Fails only if the file system can't be
/// identified or the temporary subdirectory (`.probe-PID-N`) can't be made for another reason than a full disk; in
/// either case nothing is left behind. On a full disk what could not be tried is absent, and
/// [untried](Refusal::is_untried).
pub fn probe(dir: &Path) -> Result<Capabilities> {
    let failed = |source| crate::Error::at(Operation::Probe, dir, source);
    let file_system = File::open(dir)
        .and_then(|dir| Ok(FileSystem::of(&dir)?))
        .map_err(failed)?;
    let place = match Place::create(dir) {
        Err(crate::Error::NoSpace { .. }) => None,
        created => Some(created?),
    };
    let mut refusals = Vec::new();
    let mut attempt = |capability: &'static str, trial: fn(&Place) -> trial::Outcome| {
        let outcome = place.as_ref().map_or(Err(trial::Reason::NoRoom), trial);
        refusals.extend(outcome.as_ref().err().map(|reason| Refusal {
            capability,
            reason: reason.to_string(),
            is_untried: reason.is_full(),
        }));
        outcome.is_ok()
    };
    let mut capabilities = Capabilities {
        reflink: attempt("reflink", trial::reflink),
        punch_hole: attempt("punch_hole", trial::punch_hole),
        sparse: attempt("sparse", trial::sparse),
        subvolume_snapshot: attempt("subvolume_snapshot", trial::subvolume_snapshot),
        hard_link: attempt("hard_link", trial::hard_link),
        symlink: attempt("symlink", trial::symlink),
        fifo: attempt("fifo", trial::fifo),
        device_node: attempt("device_node", trial::device_node),
        user_xattr: attempt("user_xattr", trial::user_xattr),
        posix_acl: attempt("posix_acl", trial::posix_acl),
        chown: attempt("chown", trial::chown),
        chmod: attempt("chmod", trial::chmod),
        nanosecond_times: attempt("nanosecond_times", trial::nanosecond_times),
        long_names: attempt("long_names", trial::long_names),
        byte_names: attempt("byte_names", trial::byte_names),
        rename_exchange: attempt("rename_exchange", trial::rename_exchange),
        max_links: file_system.max_links(),
        refusals: Vec::new(),
        file_system,
    };
    capabilities.refusals = refusals;
    Ok(capabilities)
}
