//! The directory that backups are mounted at: whether it can be, how they get there, and how they go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use rustix::fs::MetadataExt as _;
use rustix::mount::UnmountFlags;

use super::Visibility;
use super::adapter::Adapter;
use crate::error::{Error, Result};

/// The device through which the kernel asks.
const DEVICE: &str = "/dev/fuse";
/// FUSE_SUPER_MAGIC (linux/magic.h).
const FUSE_MAGIC: i64 = 0x6573_5546;
/// Threads that answer the kernel: so many questions may wait for the server at once.
const THREADS: usize = 16;

/// Why backups can't be mounted at a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountRefusal {
    /// It is not there.
    #[error("it does not exist")]
    Missing,
    /// It is something else.
    #[error("it is no directory")]
    NotADirectory,
    /// What is in it would be hidden.
    #[error("it is not empty")]
    NotEmpty,
    /// Something is mounted there already, perhaps backups.
    #[error("a FUSE file system is mounted there already")]
    Mounted,
    /// What served a file system there has ended without unmounting it.
    #[error("what is mounted there has lost the program that served it")]
    Orphaned,
    /// The kernel has no FUSE.
    #[error("there is no {DEVICE}")]
    NoDevice,
    /// The program that mounts for users who are not root is not installed.
    #[error("the program fusermount3 is not there, without which this user may not mount")]
    NoProgram,
    /// Users who are not root may not show a file system to others.
    #[error("only root may let other users see what is mounted")]
    OthersDenied,
    /// The system refuses for another reason.
    #[error("the system refuses")]
    System(#[source] io::Error),
}

/// A directory on which backups can be mounted.
#[derive(Debug)]
pub(super) struct Point {
    dir: PathBuf,
}

impl Point {
    /// Looks whether a directory will do.
    pub(super) fn check(dir: &Path) -> Result<Self> {
        let refused = |why| Error::MountRefused {
            dir: dir.to_owned(),
            why,
        };
        refusal(dir).map_err(refused)?;
        let dir = fs::canonicalize(dir).map_err(|error| refused(MountRefusal::System(error)))?;
        Ok(Self { dir })
    }

    /// Mounts. Blocks until the kernel has answered.
    pub(super) fn mount(&self, adapter: Adapter, visibility: Visibility) -> Result<Session<Adapter>> {
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName("perennial".to_owned()),
            MountOption::Subtype("perennial".to_owned()),
            MountOption::RO,
            MountOption::NoSuid,
            MountOption::NoDev,
            MountOption::DefaultPermissions,
        ];
        config.acl = match visibility {
            Visibility::Owner => SessionACL::Owner,
            Visibility::Everyone => SessionACL::All,
        };
        config.n_threads = Some(THREADS);
        Session::new(adapter, &self.dir, &config).map_err(|error| Error::MountRefused {
            dir: self.dir.clone(),
            why: refused_by_system(error),
        })
    }

    /// Unmounts. What is in use there is detached: it goes when nobody uses it any more.
    pub(super) fn unmount(&self, unmounter: &mut SessionUnmounter) -> Unmounted {
        match unmounter.unmount() {
            Ok(()) => Unmounted::Gone,
            Err(error) => {
                tracing::debug!(%error, "what is mounted is in use");
                match rustix::mount::unmount(&self.dir, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
                    Ok(()) => Unmounted::Detached,
                    Err(errno) => Unmounted::Not(errno.into()),
                }
            }
        }
    }
}

/// What became of what was to be unmounted.
#[derive(Debug)]
pub(super) enum Unmounted {
    /// It is gone.
    Gone,
    /// Nobody finds it any more; who used it loses it with the end of the program.
    Detached,
    /// It is still there.
    Not(io::Error),
}

/// What stands against mounting at a directory, as far as can be seen.
fn refusal(dir: &Path) -> std::result::Result<(), MountRefusal> {
    let metadata = match fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Err(match error.kind() {
                io::ErrorKind::NotFound => MountRefusal::Missing,
                _ => unreadable(error),
            });
        }
    };
    if !metadata.is_dir() {
        return Err(MountRefusal::NotADirectory);
    }
    if is_fuse_root(dir, &metadata) {
        return Err(MountRefusal::Mounted);
    }
    let mut entries = fs::read_dir(dir).map_err(unreadable)?;
    if entries.next().is_some() {
        return Err(MountRefusal::NotEmpty);
    }
    if !Path::new(DEVICE).exists() {
        return Err(MountRefusal::NoDevice);
    }
    Ok(())
}

/// Why a directory can't be looked at. The kernel may know enough of one that lost its program to tell of it, but not to list it.
fn unreadable(error: io::Error) -> MountRefusal {
    match error.kind() {
        io::ErrorKind::NotConnected => MountRefusal::Orphaned,
        _ => MountRefusal::System(error),
    }
}

/// Whether a FUSE file system is mounted at this very directory.
fn is_fuse_root(dir: &Path, metadata: &fs::Metadata) -> bool {
    let is_fuse = rustix::fs::statfs(dir).is_ok_and(|found| found.f_type == FUSE_MAGIC);
    let parent = fs::metadata(dir.join(".."));
    is_fuse && parent.is_ok_and(|parent| parent.dev() != metadata.dev())
}

/// What the system's refusal means. The directory and the device were there a moment ago.
fn refused_by_system(error: io::Error) -> MountRefusal {
    match error.kind() {
        io::ErrorKind::NotFound => MountRefusal::NoProgram,
        // By fusermount3: `user_allow_other` is not set in /etc/fuse.conf.
        io::ErrorKind::PermissionDenied if error.to_string().contains("user_allow_other") => {
            MountRefusal::OthersDenied
        }
        _ => MountRefusal::System(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_must_be_there_and_empty() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        assert!(matches!(refusal(&file), Err(MountRefusal::Missing)));
        fs::write(&file, "").unwrap();
        assert!(matches!(refusal(&file), Err(MountRefusal::NotADirectory)));
        assert!(matches!(refusal(dir.path()), Err(MountRefusal::NotEmpty)));
        fs::remove_file(&file).unwrap();
        let expected = if Path::new(DEVICE).exists() {
            Ok(())
        } else {
            Err(MountRefusal::NoDevice.to_string())
        };
        assert_eq!(refusal(dir.path()).map_err(|why| why.to_string()), expected);
    }

    #[test]
    fn what_the_system_refuses_is_told_apart() {
        let denied = io::Error::new(
            io::ErrorKind::PermissionDenied,
            "option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf",
        );
        assert!(matches!(refused_by_system(denied), MountRefusal::OthersDenied));
        let missing = io::Error::from(io::ErrorKind::NotFound);
        assert!(matches!(refused_by_system(missing), MountRefusal::NoProgram));
        let other = io::Error::other("no");
        assert!(matches!(refused_by_system(other), MountRefusal::System(_)));
    }
}
