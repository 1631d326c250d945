//! Creating what needs no content from the server.

use file_tree::metadata::{Prior, Target, apply};
use file_tree::{DeviceKind, DeviceNumber, Dir};
use manifest::{Entry, Kind, join_path};
use rustix::fs::Mode;
use rustix::io::Errno;

use super::incoming::{Arriving, FileError, Incoming};
use super::state::{OpenDir, State};
use crate::error::{Error, Result};
use crate::monitor::ProblemKind;
use crate::source::EntryResult;
use std::sync::atomic::Ordering;

/// What a directory is created with: its own mode comes last.
const WHILE_RESTORING: u32 = 0o700;
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Makes sure that entries can be created in a directory, and tells what they will have from the start.
pub(super) fn prepare(dir: Dir, is_fresh: bool) -> EntryResult<(Dir, Prior)> {
    if !is_fresh && !rustix::process::geteuid().is_root() {
        let mode = u32::from(dir.stat_self()?.mode);
        if mode & WHILE_RESTORING != WHILE_RESTORING {
            // If that is not allowed, what is created in it will say so.
            let _ = rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode | WHILE_RESTORING));
        }
    }
    let inherits = !matches!(
        rustix::fs::fgetxattr(&dir, DEFAULT_ACL, &mut [0u8; 0]),
        Err(Errno::NODATA | Errno::OPNOTSUPP)
    );
    Ok((dir, if inherits { Prior::Unknown } else { Prior::Fresh }))
}

/// Creates a directory, a symbolic link, a FIFO or a device node.
pub(super) fn without_content(state: &State, place: &OpenDir, entry: &Entry) -> EntryResult<()> {
    let (dir, name, mode) = (&place.dir, &*entry.name, entry.metadata.mode & 0o700);
    match &entry.kind {
        // Its metadata comes when all that is in it is there.
        Kind::Directory => return dir.create_dir(name, WHILE_RESTORING).map(drop),
        Kind::Symlink { target } => dir.create_symlink(name, target)?,
        Kind::Fifo => dir.create_fifo(name, mode)?,
        Kind::CharDevice { major, minor } => {
            dir.create_device(
                name,
                mode,
                DeviceKind::Char,
                DeviceNumber {
                    major: *major,
                    minor: *minor,
                },
            )?;
        }
        Kind::BlockDevice { major, minor } => {
            dir.create_device(
                name,
                mode,
                DeviceKind::Block,
                DeviceNumber {
                    major: *major,
                    minor: *minor,
                },
            )?;
        }
        // Files have content, and hard links are made at the end.
        Kind::File { .. } | Kind::Volume { .. } | Kind::HardLink { .. } => return Ok(()),
    }
    let refused = apply(Target::At(dir, name), &entry.metadata, state.apply(place.prior))?;
    state.refusals.note(&join_path(&place.path, name), &refused);
    Ok(())
}

/// Ends a file that only had to be cut, or whose parts are all there.
pub(super) fn finish_patch(state: &State, incoming: Incoming) -> Result<()> {
    let (path, size) = (incoming.path(), incoming.entry.size());
    match Arriving::begin(incoming, 0).finish(state) {
        Ok(()) => {
            state.counts.files_written.fetch_add(1, Ordering::Relaxed);
            state.counts.bytes_done.fetch_add(size, Ordering::Relaxed);
        }
        Err(error) if error.is_full() => return Err(Error::TargetFull { path }),
        Err(error @ FileError::Corrupt) => state.report_error(ProblemKind::Corrupt, &path, &error),
        Err(error) => state.report_error(ProblemKind::Unwritable, &path, &error),
    }
    Ok(())
}
