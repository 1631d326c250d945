//! Finding and opening backups, and the link to the newest.

use manifest::{Header, Reader, read_partial};

use super::{Shared, Store};
use crate::durable::{self, find_dir, find_file};
use crate::error::{During as _, Error, Result, shown};
use crate::incomplete::State;
use crate::layout::{manifest_file, manifest_path};
use crate::names::{BackupKind, BackupName, CURRENT, ClientName};
use crate::transfer::Origin;
use crate::tree::{BackupTree, TreeRoot};

/// A backup that was begun and not committed, and can be resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncompleteBackup {
    /// The backup that it grows from.
    pub base: Option<BackupName>,
    /// What its manifest says of it; `None` if the session before wrote none.
    pub header: Option<Header>,
}

impl Store {
    /// All clients that have committed backups, or had some, sorted.
    pub fn clients(&self) -> Result<Vec<ClientName>> {
        self.shared.layout.clients()
    }

    /// The committed backups of a client, oldest first.
    pub fn backups(&self, client: &ClientName) -> Result<Vec<BackupName>> {
        self.shared.layout.backup_names(client)
    }

    /// Opens a committed backup. As long as it is open it can't be deleted.
    pub fn open_backup(&self, client: &ClientName, name: &BackupName) -> Result<BackupTree> {
        let busy = || Error::Busy {
            client: client.clone(),
            what: name.to_string(),
        };
        let reading = self.shared.usage.read(client, name).ok_or_else(busy)?;
        let manifest = self.shared.open_manifest(client, name)?;
        let backups = self.shared.layout.backups(client)?;
        let missing = || Error::corrupt(crate::layout::backup_path(client, name), "the tree is missing");
        let dir = find_dir(&backups, name.as_bytes())?.ok_or_else(missing)?;
        let root = TreeRoot {
            client: client.clone(),
            dir,
            pool: self.shared.layout.find_pool(client)?,
        };
        Ok(BackupTree::new(root, backups, manifest, name.clone(), reading))
    }

    /// Opens the manifest of a committed backup alone.
    pub fn open_manifest(&self, client: &ClientName, name: &BackupName) -> Result<Reader> {
        self.shared.open_manifest(client, name)
    }

    /// The client's incomplete backup, if it has one that can be resumed. One that comes from another storage is resumed by
    /// [`transfer`](crate::transfer()) alone.
    pub fn incomplete(&self, client: &ClientName) -> Result<Option<IncompleteBackup>> {
        let Some(work) = self.shared.layout.find_incomplete(client, BackupKind::File)? else {
            return Ok(None);
        };
        let Some(state) = State::read(&work)? else {
            return Ok(None);
        };
        if Origin::read(&work)?.is_some() {
            return Ok(None);
        }
        let part = find_file(&work, state.manifest_file().as_bytes())?;
        let header = part
            .and_then(|file| read_partial(file).ok())
            .map(|partial| partial.header().clone());
        Ok(Some(IncompleteBackup {
            base: state.base_name(),
            header,
        }))
    }

    /// Gives up the client's incomplete backup of a kind, if there is one.
    pub fn discard_incomplete(&self, client: &ClientName, kind: BackupKind) -> Result<()> {
        let busy = || Error::Busy {
            client: client.clone(),
            what: "the incomplete backup".to_owned(),
        };
        let _claim = self.shared.usage.claim(client, kind).ok_or_else(busy)?;
        self.shared.complete_sealed(client, kind)?;
        self.shared.discard_incomplete(client, kind)
    }

    /// Removes what is kept for a client that has no backups: its directories, and an incomplete backup.
    ///
    /// Fails with [`Error::Busy`] if it has backups, or a deleted one whose pooled directories are not freed yet.
    pub fn remove_client(&self, client: &ClientName) -> Result<()> {
        let busy = |what: &str| Error::Busy {
            client: client.clone(),
            what: what.to_owned(),
        };
        let claim = |kind| self.shared.usage.claim(client, kind);
        let (Some(_files), Some(_images)) = (claim(BackupKind::File), claim(BackupKind::Image)) else {
            return Err(busy("the incomplete backup"));
        };
        for kind in BackupKind::ALL {
            self.shared.complete_sealed(client, kind)?;
        }
        if !self.shared.layout.backup_names(client)?.is_empty() {
            return Err(busy("a backup"));
        }
        for kind in BackupKind::ALL {
            self.shared.discard_incomplete(client, kind)?;
        }
        if let Some(backups) = self.shared.layout.find_backups(client)? {
            durable::remove(&backups, CURRENT.as_bytes())?;
        }
        self.shared.layout.remove_client(client)
    }

    /// Lets the client's link `current` lead to a backup.
    pub fn point_current(&self, client: &ClientName, name: &BackupName) -> Result<()> {
        self.shared.point_current(client, name)
    }

    /// Where the client's link `current` leads to; `None` if there is none, or it leads elsewhere.
    pub fn current(&self, client: &ClientName) -> Result<Option<BackupName>> {
        self.shared.current(client)
    }
}

impl Shared {
    pub fn open_manifest(&self, client: &ClientName, name: &BackupName) -> Result<Reader> {
        let unknown = || Error::UnknownBackup {
            client: client.clone(),
            name: name.clone(),
        };
        let manifests = self.layout.find_manifests(client)?.ok_or_else(unknown)?;
        let file = find_file(&manifests, manifest_file(name).as_bytes())?.ok_or_else(unknown)?;
        Reader::open(file).map_err(Error::manifest(manifest_path(client, name)))
    }

    pub fn point_current(&self, client: &ClientName, name: &BackupName) -> Result<()> {
        if self.current(client)?.as_ref() == Some(name) {
            return Ok(());
        }
        const NEW: &[u8] = b".current.new";
        let backups = self.layout.backups(client)?;
        durable::remove(&backups, NEW)?;
        match backups.create_symlink(NEW, name.as_bytes()) {
            // A file system without symbolic links has no such convenience.
            Err(file_tree::Error::Unsupported { .. } | file_tree::Error::Denied { .. }) => return Ok(()),
            created => created.during("create", shown(NEW))?,
        }
        backups
            .rename(NEW, &backups, CURRENT.as_bytes())
            .during("replace", CURRENT)
    }

    pub fn current(&self, client: &ClientName) -> Result<Option<BackupName>> {
        let Some(backups) = self.layout.find_backups(client)? else {
            return Ok(None);
        };
        Ok(backups
            .read_link(CURRENT.as_bytes())
            .ok()
            .and_then(|target| BackupName::from_file_name(&target)))
    }

    /// Lets `current` lead to the newest file backup there is, if it leads to one that is gone.
    pub fn repair_current(&self, client: &ClientName) -> Result<()> {
        let Some(current) = self.current(client)? else {
            return Ok(());
        };
        let names = self.layout.backup_names(client)?;
        if names.contains(&current) {
            return Ok(());
        }
        match names.iter().rev().find(|name| name.suffix() == current.suffix()) {
            Some(newest) => self.point_current(client, newest),
            None => durable::remove(&self.layout.backups(client)?, CURRENT.as_bytes()),
        }
    }
}
