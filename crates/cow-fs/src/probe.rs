//! Finds out what a directory's file system can do, by really doing it in a temporary subdirectory.
//!
//! Names of file systems are for people; decisions rest on what was tried. Every trial cleans up after itself and the
//! subdirectory goes at the end, also after a failure. A trial that fails is no error: the capability is absent and
//! the reason is kept, so that it can be shown.

mod file_system;
mod place;
mod trial;

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
}

impl Capabilities {
    /// Why the capability of that field name is absent; `None` if it is present.
    pub fn refusal(&self, capability: &str) -> Option<&str> {
        self.refusals
            .iter()
            .find(|refusal| refusal.capability == capability)
            .map(|refusal| refusal.reason.as_str())
    }
}

/// Tries out what can be done in the directory `dir`, which must be writable.
///
/// Takes some milliseconds; on btrfs some more, for its subvolumes. Fails only if the file system can't be
/// identified or the temporary subdirectory (`.probe-PID-N`) can't be made, in which case nothing is left behind.
pub fn probe(dir: &Path) -> Result<Capabilities> {
    let place = Place::create(dir)?;
    let file_system =
        FileSystem::of(place.dir()).map_err(|errno| crate::Error::at(Operation::Probe, dir, errno.into()))?;
    let mut refusals = Vec::new();
    let mut attempt = |capability: &'static str, trial: fn(&Place) -> trial::Outcome| match trial(&place) {
        Ok(()) => true,
        Err(reason) => {
            refusals.push(Refusal {
                capability,
                reason: reason.to_string(),
            });
            false
        }
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
