//! `Store`: an open storage.

mod backups;
mod damaged;
mod delete;
mod open;
mod reap;
mod recover;

use std::sync::Arc;

use cow_fs::Capabilities;
use cow_fs::btrfs::Compression;
use parking_lot::Mutex;

use crate::backend::{Backend, BackendKind};
use crate::ballast::with_ballast;
use crate::error::{During as _, Result};
use crate::identity::Identity;
use crate::image::VolumeFormat;
use crate::index::ContentIndex;
use crate::index::located::Located;
use crate::ingest::{Basis, Ingest, roll_forward};
use crate::layout::Layout;
use crate::lock::Lock;
use crate::names::{BackupKind, ClientName, ServerId};
use crate::sizes::Ledger;
use crate::trash::Item;
use crate::usage::Usage;

pub use backups::IncompleteBackup;
pub use reap::Reaped;
pub use recover::Recovery;

pub(crate) use delete::finish_deletion;

/// How a storage is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The server that opens it; it has to be the storage's owner.
    pub server: ServerId,
    /// Whether unchanged directories move into pools.
    pub pooling: Pooling,
    /// What btrfs is asked to compress new data with; `None` leaves that to the file system.
    pub compression: Option<Compression>,
    /// What the volumes of new images are kept in, on the backend that can't share extents; `None` takes the best. Elsewhere they
    /// are always raw.
    pub volume_format: Option<VolumeFormat>,
}

impl OpenOptions {
    /// The usual options.
    pub fn new(server: ServerId) -> Self {
        Self {
            server,
            pooling: Pooling::On,
            compression: None,
            volume_format: None,
        }
    }
}

/// How a storage is created.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// How it is opened afterwards; the server becomes its owner.
    pub open: OpenOptions,
    /// The backend; `None` takes the best that the file system offers.
    pub backend: Option<BackendKind>,
}

impl CreateOptions {
    /// The usual options.
    pub fn new(server: ServerId) -> Self {
        Self {
            open: OpenOptions::new(server),
            backend: None,
        }
    }
}

/// Whether unchanged directories move into pools, on the backend that has these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// They do.
    On,
    /// They stay; links that are there already go on to work.
    Off,
}

/// Space of the file system that holds a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All there is.
    pub total_bytes: u64,
    /// What the server may still use.
    pub free_bytes: u64,
    /// Inodes that may still be made; `None` where the file system has no fixed number.
    pub free_inodes: Option<u64>,
}

impl Space {
    /// That of the file system that holds `dir`; `path` is for messages.
    pub(crate) fn of(dir: &file_tree::Dir, path: &std::path::Path) -> Result<Self> {
        let stat = rustix::fs::fstatvfs(dir).during("look at", path)?;
        Ok(Self {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            free_inodes: (stat.f_files > 0).then_some(stat.f_favail),
        })
    }
}

/// An open storage. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// What a store and its ingests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub layout: Layout,
    pub identity: Identity,
    pub backend: Box<dyn Backend>,
    pub capabilities: Capabilities,
    pub pooling: Pooling,
    pub volume_format: VolumeFormat,
    pub index: ContentIndex,
    pub located: Located,
    pub ledger: Ledger,
    pub usage: Usage,
    /// Held by whoever removes what is in the trash.
    pub reaping: Mutex<()>,
    /// Held by whoever changes a list of damaged content.
    pub noting_damage: Mutex<()>,
    pub recovered: Recovery,
    pub _lock: Lock,
}

impl Store {
    /// Which backend the storage has.
    pub fn backend(&self) -> BackendKind {
        self.shared.identity.backend
    }

    /// What the storage's file system can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// The storage's own identity, which stays when it is moved.
    pub fn id(&self) -> &str {
        &self.shared.identity.storage
    }

    /// What the volumes of new images are kept in.
    pub fn volume_format(&self) -> VolumeFormat {
        self.shared.volume_format
    }

    /// Fails with [`Error::Volume`](crate::Error::Volume) unless a volume of this size can be kept in that, or in `format` where there
    /// is one to be chosen.
    pub fn check_volume(&self, format: Option<VolumeFormat>, path: &[u8], size_bytes: u64) -> Result<()> {
        crate::image::check_size(self.shared.format_for(format), path, size_bytes)
    }

    /// Where the storage lies.
    pub fn path(&self) -> &std::path::Path {
        self.shared.layout.path()
    }

    /// The index of content in the storage.
    pub fn index(&self) -> &ContentIndex {
        &self.shared.index
    }

    /// How much space there is.
    pub fn space(&self) -> Result<Space> {
        Space::of(&self.shared.layout.root, self.path())
    }

    /// Begins to take in a backup of a client, of which only one can be under way at once.
    ///
    /// An incomplete backup that is not resumed is discarded. Fails with [`Error::Busy`](crate::Error::Busy),
    /// [`Error::UnknownBackup`](crate::Error::UnknownBackup) and
    /// [`Error::NothingToResume`](crate::Error::NothingToResume).
    pub fn begin(&self, client: &ClientName, basis: &Basis) -> Result<Ingest> {
        Ingest::begin(&self.shared, client, basis)
    }
}

impl Shared {
    /// What volumes are kept in where somebody wants this. Nothing costs less than shared extents, so where those are to be had there is
    /// nothing to choose.
    pub fn format_for(&self, wanted: Option<VolumeFormat>) -> VolumeFormat {
        match self.identity.backend {
            BackendKind::Hardlink => wanted.unwrap_or(self.volume_format),
            BackendKind::Btrfs | BackendKind::Reflink => VolumeFormat::Raw,
        }
    }

    /// Completes a commit that failed after it had been decided; whoever calls has claimed the client.
    pub fn complete_sealed(&self, client: &ClientName, kind: BackupKind) -> Result<()> {
        match self.layout.find_incomplete(client, kind)? {
            Some(work) => roll_forward(self, client, &work).map(drop),
            None => Ok(()),
        }
    }

    /// Takes a client's incomplete backup away; whoever calls has claimed the client.
    pub fn discard_incomplete(&self, client: &ClientName, kind: BackupKind) -> Result<()> {
        let Some(work) = self.layout.find_incomplete(client, kind)? else {
            return Ok(());
        };
        let item = with_ballast(&self.layout.state, || Item::create(&self.layout))?;
        self.backend
            .drop_tree(&work, crate::incomplete::TREE, &item.dir)?;
        self.layout.move_incomplete(client, kind, &item.dir)?;
        item.release(&self.layout).map(drop)
    }

    /// Removes what is left of a client's incomplete backup after its commit.
    pub fn forget_work(&self, client: &ClientName, kind: BackupKind) -> Result<()> {
        self.layout.remove_incomplete(client, kind)
    }
}
