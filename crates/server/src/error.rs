//! What can go wrong in the server as a whole, and how it is told to a peer.

use std::io;
use std::path::{Path, PathBuf};

use crate::hooks::HookEvent;
use crate::web_certificate::{AcmeFault, CertificateFault};

/// The result of whatever can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the server's own could not be used.
    #[error("can't {action} {}", path.display())]
    Io {
        /// What was tried: "read", "create", …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file of the server's own is there, but isn't what it should be.
    #[error("{} is damaged", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
    },
    /// An installer could not be made, or a program for installers not kept.
    #[error("can't use {}", path.display())]
    Installer {
        /// The program, or where programs are kept.
        path: PathBuf,
        /// Why not.
        source: installer::Error,
    },
    /// The address to listen on could not be had.
    #[error("can't listen on {address}")]
    Listen {
        /// The address, or the socket's path.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The TLS settings are not usable.
    #[error("can't set up TLS")]
    Tls(#[source] rustls::Error),
    /// The certificate for browsers can't be used.
    #[error("can't use the certificate in {}", path.display())]
    WebCertificate {
        /// The file that it should be in.
        path: PathBuf,
        /// Why not.
        source: CertificateFault,
    },
    /// A certificate can't be had from an ACME server.
    #[error("can't get a certificate from {directory}")]
    Acme {
        /// The address of its directory.
        directory: String,
        /// Why not.
        source: AcmeFault,
    },
    /// A certificate could not be made.
    #[error("can't make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The catalog failed.
    #[error("the catalog failed")]
    Catalog(#[from] catalog::Error),
    /// The storage failed.
    #[error("the storage failed")]
    Storage(#[from] storage::Error),
    /// The catalog knows of backups, and this is not the storage that has them.
    #[error("{} is not the storage with the {backups} backups that the catalog knows of", path.display())]
    OtherStorage {
        /// The directory that was named.
        path: PathBuf,
        /// How many the catalog knows of.
        backups: u64,
    },
    /// A storage that is known is not open.
    #[error("the storage {name} in {} is not there: {why}", path.display())]
    StorageAbsent {
        /// What people call it.
        name: String,
        /// Where it should be.
        path: PathBuf,
        /// Why it is not open.
        why: String,
    },
    /// A copy of a catalog belongs to another server than the storage.
    #[error("{} is the catalog of another server than the one that owns the storage", path.display())]
    OtherCatalog {
        /// The copy.
        path: PathBuf,
    },
    /// A storage has no copy of its server's catalog.
    #[error("there is no copy of the catalog in {}", path.display())]
    NoCatalogCopy {
        /// The storage.
        path: PathBuf,
    },
    /// A text is not a valid name.
    #[error(transparent)]
    InvalidName(#[from] storage::InvalidName),
    /// A manifest could not be read or written.
    #[error("a manifest can't be used")]
    Manifest(#[from] manifest::Error),
    /// A disk's description, or a virtual disk, can't be used or made.
    #[error("a disk can't be used")]
    Disk(#[source] disk_image::Error),
    /// An archive can't be made.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// Files on a volume can't be found or read.
    #[error(transparent)]
    Files(#[from] volume_files::Error),
    /// A data connection failed, or brought what is no frame.
    #[error("a data connection failed")]
    Frame(#[from] wire::frame::FrameError),
    /// The peer broke the protocol.
    #[error("the peer broke the protocol: {what}")]
    Protocol {
        /// What it did.
        what: String,
    },
    /// Content does not have the hash that the client gave.
    #[error("the content of {path} does not match its hash")]
    WrongHash {
        /// The file, as text.
        path: String,
    },
    /// The peer asked for what it may not have, or what makes no sense.
    #[error("{why}")]
    Refused {
        /// Why.
        why: &'static str,
    },
    /// Nobody knows who calls, or the caller is welcome no more.
    #[error("{why}")]
    Unauthenticated {
        /// Why.
        why: String,
    },
    /// The caller may not do that.
    #[error("{why}")]
    Denied {
        /// Why not.
        why: String,
    },
    /// A user's name, password or code is wrong. Which is not told.
    #[error("the user's name, the password or the code is wrong")]
    LogInFailed,
    /// Too many log-ins have failed.
    #[error("{locked}")]
    LockedOut {
        /// What was counted, and for how long.
        locked: policy::lock_out::Locked,
    },
    /// A password could not be hashed.
    #[error("a password can't be hashed")]
    Password {
        /// Why not.
        source: argon2::password_hash::Error,
    },
    /// What the caller gives can't be used.
    #[error("{why}")]
    Invalid {
        /// Why not.
        why: String,
    },
    /// The peer calls a method that this version does not have.
    #[error("this server does not have the method {path}")]
    NoSuchMethod {
        /// Its path.
        path: String,
    },
    /// The peer asks for what this version does not know.
    #[error("{what}")]
    Unsupported {
        /// What.
        what: String,
    },
    /// Something can't be set so.
    #[error(transparent)]
    Setting(#[from] policy::settings::SetError),
    /// A channel can't be used as it is set, or a message can't be delivered.
    #[error(transparent)]
    Notify(#[from] notify::Error),
    /// What is set for a channel can't be read, as it is of another version.
    #[error("what is set for the channel {name} can't be read")]
    ChannelSettings {
        /// The channel.
        name: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Something that was asked for isn't there.
    #[error("there is no {what} {name}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A disk that is to be published is that already.
    #[error("{what} is published already: \"perennial image unpublish {id}\" removes it")]
    Published {
        /// The image, and what of it.
        what: String,
        /// What identifies the published disk.
        id: storage::PublishedId,
    },
    /// The storage has no room for something that is not needed for backups.
    #[error(
        "there is no room in the storage: {} have to be written and {} may be used above what min_free keeps; delete backups or \
         published disks, or add space",
        crate::doctor::size(*.needed_bytes),
        crate::doctor::size(*.usable_bytes)
    )]
    NoRoom {
        /// What has to be written.
        needed_bytes: u64,
        /// What may be.
        usable_bytes: u64,
    },
    /// Something is in use.
    #[error("{what} is busy: {why}")]
    Busy {
        /// What is in use.
        what: String,
        /// By what.
        why: String,
    },
    /// Nobody could manage users without this one but on the server's machine.
    #[error("user {user} is the last one who can manage users: let somebody else do that first")]
    LastManager {
        /// The user.
        user: String,
    },
    /// Something must not be deleted.
    #[error("{what} can't be deleted: {why}")]
    Protected {
        /// What.
        what: String,
        /// Why not.
        why: String,
    },
    /// The client is needed for it, and not there.
    #[error("client {client} is not connected")]
    NotConnected {
        /// Its name.
        client: String,
    },
    /// A hook did not succeed.
    #[error("the hook {event} {end}{}", shell::quoted(.output))]
    HookFailed {
        /// Which.
        event: HookEvent,
        /// How it ended.
        end: shell::CommandEnd,
        /// The last lines of what it printed.
        output: Vec<String>,
    },
    /// A hook was ended with its job.
    #[error("the hook {event} was stopped")]
    HookStopped {
        /// Which.
        event: HookEvent,
    },
    /// The client said that it could not do its part.
    #[error("the client could not do it: {why}")]
    Client {
        /// In its words.
        why: String,
    },
    /// The connection to the peer was lost.
    #[error("the connection to the client was lost")]
    Disconnected,
    /// Somebody asked for it to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// An I/O error on a path of the server's own.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// A breach of the protocol.
    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol { what: what.into() }
    }

    /// The whole chain of causes in one line, for a peer or a record that keeps only text.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

fn code_of_archive(error: &archive::Error) -> tonic::Code {
    use archive::Error as Archive;
    match error {
        Archive::NotFound { .. } => tonic::Code::NotFound,
        Archive::NothingSelected | Archive::Outside { .. } | Archive::PathTooLong { .. } => {
            tonic::Code::InvalidArgument
        }
        Archive::Write(_) => tonic::Code::Unavailable,
        Archive::TooLarge => tonic::Code::FailedPrecondition,
        _ => tonic::Code::DataLoss,
    }
}

fn code_of_files(error: &volume_files::Error) -> tonic::Code {
    use volume_files::Error as Files;
    match error {
        Files::NotFound { .. } => tonic::Code::NotFound,
        Files::NotDirectory { .. } | Files::NotFile { .. } => tonic::Code::InvalidArgument,
        Files::Unsupported { .. } => tonic::Code::FailedPrecondition,
        Files::Volume(_) | Files::Unreadable { .. } | Files::TooDeep { .. } => tonic::Code::DataLoss,
        _ => tonic::Code::Internal,
    }
}

impl From<Error> for tonic::Status {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Protocol { .. }
            | Error::WrongHash { .. }
            | Error::InvalidName(_)
            | Error::Setting(_)
            | Error::Invalid { .. }
            | Error::Notify(_) => tonic::Code::InvalidArgument,
            Error::Unauthenticated { .. } | Error::LogInFailed | Error::LockedOut { .. } => {
                tonic::Code::Unauthenticated
            }
            Error::Storage(storage::Error::InvalidEntry { .. } | storage::Error::OutOfOrder { .. }) => {
                tonic::Code::InvalidArgument
            }
            Error::Storage(storage::Error::Volume {
                source: disk_image::Error::TooLarge { .. } | disk_image::Error::PartialSector { .. },
                ..
            }) => tonic::Code::InvalidArgument,
            Error::Storage(storage::Error::Busy { .. }) => tonic::Code::FailedPrecondition,
            Error::Manifest(_) | Error::Disk(_) => tonic::Code::InvalidArgument,
            Error::Refused { .. } | Error::Denied { .. } => tonic::Code::PermissionDenied,
            Error::Files(files) => code_of_files(files),
            Error::Archive(archive) => code_of_archive(archive),
            Error::NotFound { .. }
            | Error::Catalog(
                catalog::Error::UnknownClient { .. }
                | catalog::Error::UnknownGroup { .. }
                | catalog::Error::UnknownChannel { .. }
                | catalog::Error::UnknownStorage { .. }
                | catalog::Error::UnknownUser { .. }
                | catalog::Error::UnknownRole { .. }
                | catalog::Error::UnknownApiToken { .. },
            ) => tonic::Code::NotFound,
            Error::Published { .. }
            | Error::Catalog(
                catalog::Error::DuplicateGroup { .. }
                | catalog::Error::DuplicateClient { .. }
                | catalog::Error::DuplicateChannel { .. }
                | catalog::Error::DuplicateStorage { .. }
                | catalog::Error::KnownStorage { .. }
                | catalog::Error::DuplicateUser { .. }
                | catalog::Error::DuplicateRole { .. }
                | catalog::Error::DuplicateApiToken { .. },
            ) => tonic::Code::AlreadyExists,
            Error::Busy { .. }
            | Error::Unsupported { .. }
            | Error::Protected { .. }
            | Error::LastManager { .. }
            | Error::HookFailed { .. }
            | Error::StorageAbsent { .. }
            | Error::Catalog(catalog::Error::StorageInUse { .. } | catalog::Error::RoleInUse { .. }) => {
                tonic::Code::FailedPrecondition
            }
            Error::NoSuchMethod { .. } => tonic::Code::Unimplemented,
            Error::Disconnected | Error::NotConnected { .. } => tonic::Code::Unavailable,
            Error::Cancelled => tonic::Code::Cancelled,
            Error::NoRoom { .. } => tonic::Code::ResourceExhausted,
            Error::Storage(storage) if storage.is_full() => tonic::Code::ResourceExhausted,
            Error::Frame(wire::frame::FrameError::Io(_)) => tonic::Code::Unavailable,
            Error::Frame(_) => tonic::Code::InvalidArgument,
            _ => tonic::Code::Internal,
        };
        Self::new(code, error.chain())
    }
}
