//! `origin`: what marks an incomplete backup as one that comes from another storage, and says which it is.
//!
//! It is there before the state of the incomplete backup, so what has a state and no origin is the client's own.

use file_tree::Dir;
use manifest::ContentHash;

use crate::durable;
use crate::error::{Error, Result};
use crate::incomplete::TREE;
use crate::names::{BackupKind, BackupName, ClientName};
use crate::store::Shared;
use crate::usage::Claim;
use crate::{image, incomplete};

const FILE: &str = "origin";

/// The backup that is being transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub name: BackupName,
    /// Of its manifest.
    pub digest: ContentHash,
}

/// What a client's incomplete backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The one that is being transferred.
    This,
    /// There is none, or it is of no use.
    Nothing,
}

impl Origin {
    /// Reads it; `None` where the incomplete backup is the client's own.
    pub fn read(work: &Dir) -> Result<Option<Text>> {
        Ok(durable::read(work, FILE)?.map(Text))
    }

    /// That of a client's incomplete backup of a kind.
    pub fn of_work(shared: &Shared, client: &ClientName, kind: BackupKind) -> Result<Option<Text>> {
        match shared.layout.find_incomplete(client, kind)? {
            Some(work) => Self::read(&work),
            None => Ok(None),
        }
    }

    pub fn write(&self, work: &Dir) -> Result<()> {
        durable::write(work, FILE, &self.text())
    }

    fn text(&self) -> Vec<u8> {
        format!("{} {}\n", self.name, self.digest).into_bytes()
    }

    /// Claims the client, and completes what was sealed. Fails with [`Error::BackupExists`] if the backup has its name then.
    pub fn claim(&self, shared: &Shared, client: &ClientName) -> Result<Claim> {
        let kind = self.name.kind();
        let claim = shared.usage.claim(client, kind).ok_or_else(|| busy(client))?;
        shared.layout.backups(client)?;
        shared.layout.manifests(client)?;
        shared.complete_sealed(client, kind)?;
        shared.check_name_is_free(client, &self.name)?;
        Ok(claim)
    }

    /// What the client's incomplete backup is. One of its own that could be resumed is [`Error::Busy`].
    pub fn find_begun(&self, shared: &Shared, client: &ClientName) -> Result<Begun> {
        let kind = self.name.kind();
        let Some(work) = shared.layout.find_incomplete(client, kind)? else {
            return Ok(Begun::Nothing);
        };
        let has_state = match kind {
            BackupKind::File => incomplete::State::read(&work)?.is_some(),
            BackupKind::Image => image::State::read(&work)?.is_some(),
        };
        if !has_state || durable::find_dir(&work, TREE)?.is_none() {
            return Ok(Begun::Nothing);
        }
        match Self::read(&work)? {
            None => Err(busy(client)),
            Some(Text(text)) if text == self.text() => Ok(Begun::This),
            Some(_) => Ok(Begun::Nothing),
        }
    }
}

/// What the file says.
#[derive(Debug)]
pub(crate) struct Text(Vec<u8>);

fn busy(client: &ClientName) -> Error {
    Error::Busy {
        client: client.clone(),
        what: "the incomplete backup".to_owned(),
    }
}
