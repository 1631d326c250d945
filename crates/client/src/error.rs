//! What can go wrong on the client, told apart by what can be done about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use file_tree::shown;
use shell::{CommandEnd, quoted};

use crate::hooks::HookEvent;
use crate::mount::MountRefusal;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the client could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory of the client's own can't be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file of the client's own is damaged.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The state directory holds no identity yet.
    #[error("this client is not enrolled: there is no identity in {}", dir.display())]
    NotEnrolled {
        /// The state directory.
        dir: PathBuf,
    },
    /// The state directory holds an identity already.
    #[error("this client is enrolled already, as {name:?}, with the identity in {}", dir.display())]
    AlreadyEnrolled {
        /// The state directory.
        dir: PathBuf,
        /// The name in that identity.
        name: String,
    },
    /// The server does not have the certificate that the token speaks of.
    #[error("the server at {address} is not the one that the token was made by")]
    WrongFingerprint {
        /// Where it was dialled.
        address: String,
    },
    /// The server does not take the token.
    #[error("the server refuses the token: {message}")]
    TokenRefused {
        /// The server's reason.
        message: String,
    },
    /// The server knows a client of this name already.
    #[error("the server refuses the name: {message}")]
    NameTaken {
        /// The server's reason, with the name.
        message: String,
    },
    /// The server can't be reached.
    #[error("the server at {address} can't be reached")]
    Unreachable {
        /// Where it was dialled.
        address: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The server was reached, but what answers there is not the server that this client enrolled with.
    #[error("no secure connection to the server at {address}")]
    Untrusted {
        /// Where it was dialled.
        address: String,
        /// What TLS says.
        source: io::Error,
    },
    /// A key or certificate can't be made or used.
    #[error("a key or certificate can't be used: {what}")]
    Certificate {
        /// What is wrong.
        what: String,
    },
    /// The server no longer, or not yet, lets this client in.
    #[error("the server does not let this client in: {message}")]
    Revoked {
        /// The server's reason.
        message: String,
    },
    /// Client and server have no version of the protocol in common.
    #[error("client and server don't fit together: {message}")]
    Version {
        /// Both sides' versions.
        message: String,
    },
    /// The server answered with a refusal.
    #[error("the server refuses: {message}")]
    Refused {
        /// The server's reason.
        message: String,
    },
    /// The server has no such backup or path.
    #[error("not found on the server: {message}")]
    NotFound {
        /// What.
        message: String,
    },
    /// The connection was lost in the middle of the work; trying again goes on where it ended.
    #[error("the connection was lost: {message}")]
    Interrupted {
        /// What was noticed.
        message: String,
    },
    /// The server did something that the protocol doesn't allow.
    #[error("the server broke the protocol: {what}")]
    Protocol {
        /// What.
        what: &'static str,
    },
    /// The settings name nothing to back up.
    #[error("there is nothing to back up: no sources are set, or all are optional and missing")]
    NoSources,
    /// A setting has a value that can't be used.
    #[error("the settings of source {name:?} can't be used: {reason}")]
    BadSource {
        /// The source.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A source that is not optional can't be opened.
    #[error("the source {} can't be opened", path.display())]
    SourceMissing {
        /// Its path.
        path: PathBuf,
        /// What the system answered.
        source: file_tree::Error,
    },
    /// A source that held files at the last backup is an empty directory now, and another one than then.
    #[error("the source {:?} is another directory than at the last backup, and empty; is its file system mounted?", shown(.name))]
    SourceEmptied {
        /// The source's name.
        name: Box<[u8]>,
    },
    /// What was named as a volume isn't one.
    #[error("{name:?} can't be backed up as an image: {reason}")]
    UnknownVolume {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// There are no disks.
    #[error("there is no volume to make an image of")]
    NoVolumes,
    /// A disk or volume can't be opened.
    #[error("{} can't be read", path.display())]
    VolumeUnreadable {
        /// Its path.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The partition table of a disk can't be used.
    #[error("the partition table of {} can't be used", path.display())]
    BadDisk {
        /// The disk's path.
        path: PathBuf,
        /// What is wrong with it.
        source: disk_image::Error,
    },
    /// A disk can't be read, put together or written.
    #[error(transparent)]
    Disk(disk_image::Error),
    /// A source went away while it was being backed up.
    #[error("the source {} went away while it was backed up", path.display())]
    SourceVanished {
        /// Its path.
        path: PathBuf,
    },
    /// A snapshot is required and not possible.
    #[error("no snapshot of {} can be made: {reason}", path.display())]
    SnapshotRequired {
        /// The source's path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file system was frozen for as long as is allowed, and the image was not done.
    #[error("the file system at {} was not frozen to the end: {} seconds are allowed and the image was not done", path.display(), limit.as_secs())]
    ThawedEarly {
        /// Where it is mounted.
        path: PathBuf,
        /// What is allowed.
        limit: Duration,
    },
    /// A snapshot ended before the image was done.
    #[error("the LVM snapshot of {} was lost before the image was done: it ran full, or was removed", path.display())]
    SnapshotLost {
        /// Where the volume is mounted.
        path: PathBuf,
    },
    /// A hook did not succeed.
    #[error("the hook {event} {end}{}", quoted(.output))]
    HookFailed {
        /// Which.
        event: HookEvent,
        /// How it ended.
        end: CommandEnd,
        /// The last lines of what it printed.
        output: Vec<String>,
    },
    /// Another backup or restore of this client is running.
    #[error("another backup of this client is running")]
    Busy,
    /// It was told to stop.
    #[error("cancelled")]
    Cancelled,
    /// Something in the target stands in the way of a restore.
    #[error("{:?} is in the way", shown(.path))]
    TargetConflict {
        /// Its path, relative to the target.
        path: Box<[u8]>,
    },
    /// There is no more space for what is restored.
    #[error("no space is left for {:?}", shown(.path))]
    TargetFull {
        /// The path, relative to the target, that did not fit.
        path: Box<[u8]>,
    },
    /// Backups can't be mounted at a directory.
    #[error("backups can't be mounted at {}", dir.display())]
    MountRefused {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        #[source]
        why: MountRefusal,
    },
    /// The kernel and what answers it for a mounted file system have lost each other.
    #[error("what is mounted can't be served, or not be unmounted")]
    Fuse(#[source] io::Error),
    /// A manifest can't be read, written or built.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// Something in a file tree can't be read or written.
    #[error(transparent)]
    Tree(#[from] file_tree::Error),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    pub(crate) fn certificate(what: impl std::fmt::Display) -> Self {
        Self::Certificate {
            what: what.to_string(),
        }
    }

    pub(crate) fn interrupted(message: impl std::fmt::Display) -> Self {
        Self::Interrupted {
            message: message.to_string(),
        }
    }

    /// Sorts a refusal of the server, or the loss of the connection, into its variant.
    pub fn from_status(status: &tonic::Status) -> Self {
        use tonic::Code;
        let message = status.message().to_owned();
        match status.code() {
            Code::Unauthenticated => Self::Revoked { message },
            Code::NotFound => Self::NotFound { message },
            // With a source it is tonic's own word for a stream that broke.
            Code::Cancelled if std::error::Error::source(status).is_none() => Self::Cancelled,
            Code::Cancelled | Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Aborted => {
                let message = if message.is_empty() {
                    status.code().to_string()
                } else {
                    message
                };
                Self::Interrupted { message }
            }
            _ => Self::Refused { message },
        }
    }

    /// Whether trying again later, without anybody doing anything, may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Busy
        )
    }
}

/// Tells an error with all that led to it, in one line.
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
