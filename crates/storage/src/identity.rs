//! `storage.toml`: what says that a directory is a storage, of which format, and whose.

use std::path::Path;

use file_tree::Dir;
use serde::{Deserialize, Serialize};

use crate::BackendKind;
use crate::durable;
use crate::error::{Error, Result};
use crate::names::ServerId;

/// The format that this program writes.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const IDENTITY_FILE: &str = "storage.toml";

/// What `storage.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub storage: String,
    pub owner: ServerId,
    pub backend: BackendKind,
}

/// The part that every format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    storage: String,
    owner: String,
    backend: BackendKind,
}

impl Identity {
    pub fn new(owner: ServerId, backend: BackendKind) -> Self {
        Self {
            storage: uuid::Uuid::new_v4().to_string(),
            owner,
            backend,
        }
    }

    /// Reads it; `None` if there is no such file. `storage` is the path for messages.
    pub fn read(state: &Dir, storage: &Path) -> Result<Option<Self>> {
        let Some(content) = durable::read(state, IDENTITY_FILE)? else {
            return Ok(None);
        };
        let path = storage.join(crate::layout::STATE).join(IDENTITY_FILE);
        let text = str::from_utf8(&content).map_err(|error| Error::corrupt(&path, error))?;
        let version: Version =
            toml::from_str(text).map_err(|error| Error::corrupt(&path, error.message()))?;
        if version.format > FORMAT {
            return Err(Error::NewerFormat {
                path: storage.to_owned(),
                found: version.format,
                known: FORMAT,
            });
        }
        let text: Text = toml::from_str(text).map_err(|error| Error::corrupt(&path, error.message()))?;
        let owner = text.owner.parse().map_err(|error| Error::corrupt(&path, error))?;
        Ok(Some(Self {
            storage: text.storage,
            owner,
            backend: text.backend,
        }))
    }

    /// Writes it durably.
    pub fn write(&self, state: &Dir) -> Result<()> {
        let text = Text {
            format: FORMAT,
            storage: self.storage.clone(),
            owner: self.owner.to_string(),
            backend: self.backend,
        };
        let text = toml::to_string(&text).expect("a flat table of strings and numbers is always valid TOML");
        durable::write(state, IDENTITY_FILE, text.as_bytes())
    }
}
