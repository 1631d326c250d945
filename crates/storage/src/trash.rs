//! `trash/ID`: what is no longer a backup and still has to be removed.
//!
//! Of a deleted backup the item has `deleted.toml`, the manifest (until the content index no longer refers to it), the
//! list of links into the pool (until the pool has been looked through) and, where the kernel does not remove it,
//! the tree. An item without `deleted.toml` is mere garbage, one whose name ends with `.new` is being filled.

use file_tree::{Dir, Subvolumes};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error::{During as _, Result};
use crate::layout::{Layout, names_in};
use crate::names::{BackupName, ClientName, PoolId};

pub(crate) const MANIFEST: &str = "manifest";
pub(crate) const POOL_LIST: &str = "pool";
const DELETED_FILE: &str = "deleted.toml";

/// What `deleted.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub client: ClientName,
    pub name: BackupName,
    /// The number of its subvolume, if it was one.
    pub subvolume: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    client: String,
    backup: String,
    subvolume: Option<u64>,
}

/// The suffix of an item that is being filled, which nobody else may touch.
const NEW_SUFFIX: &str = ".new";

/// An item of the trash.
#[derive(Debug)]
pub(crate) struct Item {
    pub dir: Dir,
    name: String,
}

impl Item {
    /// Creates an empty one, which is its maker's until it is [released](Item::release).
    pub fn create(layout: &Layout) -> Result<Self> {
        let name = format!("{}{NEW_SUFFIX}", PoolId::random());
        let dir = layout
            .trash
            .create_dir(name.as_bytes(), 0o700)
            .during("create", "an item of the trash")?;
        Ok(Self { dir, name })
    }

    /// Gives the item to whoever removes what is in the trash.
    pub fn release(mut self, layout: &Layout) -> Result<Self> {
        if let Some(id) = self.name.strip_suffix(NEW_SUFFIX) {
            let id = id.to_owned();
            layout
                .trash
                .rename(self.name.as_bytes(), &layout.trash, id.as_bytes())
                .during("rename", &self.name)?;
            self.name = id;
        }
        Ok(self)
    }

    /// Releases what an earlier process was filling. Only while nobody else uses the storage.
    pub fn release_abandoned(layout: &Layout) -> Result<()> {
        let abandoned = names_in(&layout.trash, |file| {
            PoolId::from_file_name(file.strip_suffix(NEW_SUFFIX.as_bytes())?)
        })?;
        for id in abandoned {
            let name = format!("{id}{NEW_SUFFIX}");
            layout
                .trash
                .rename(name.as_bytes(), &layout.trash, id.as_bytes())
                .during("rename", name)?;
        }
        Ok(())
    }

    /// Opens all that have been released.
    pub fn all(layout: &Layout) -> Result<Vec<Self>> {
        let ids = names_in(&layout.trash, PoolId::from_file_name)?;
        let open = |id: PoolId| {
            Ok(Self {
                dir: layout.trash.child(id.as_bytes()).during("open", id.as_str())?,
                name: id.to_string(),
            })
        };
        ids.into_iter().map(open).collect()
    }

    /// Says which backup the item is of.
    pub fn write_deleted(&self, deleted: &Deleted) -> Result<()> {
        let text = Text {
            client: deleted.client.to_string(),
            backup: deleted.name.to_string(),
            subvolume: deleted.subvolume,
        };
        let text = toml::to_string(&text).expect("a flat table of strings and numbers is always valid TOML");
        durable::write(&self.dir, DELETED_FILE, text.as_bytes())
    }

    /// Reads which backup the item is of; `None` for mere garbage.
    pub fn deleted(&self) -> Result<Option<Deleted>> {
        let Some(content) = durable::read(&self.dir, DELETED_FILE)? else {
            return Ok(None);
        };
        let text: Option<Text> = str::from_utf8(&content)
            .ok()
            .and_then(|text| toml::from_str(text).ok());
        Ok(text.and_then(|text| {
            Some(Deleted {
                client: text.client.parse().ok()?,
                name: text.backup.parse().ok()?,
                subvolume: text.subvolume,
            })
        }))
    }

    /// Removes one of the item's parts with all that is in it.
    pub fn remove_part(&self, name: &[u8]) -> Result<()> {
        self.dir
            .remove_tree(name, Subvolumes::Remove)
            .during("remove", "a part of the trash")
    }

    /// Removes the item.
    pub fn remove(self, layout: &Layout) -> Result<()> {
        layout
            .trash
            .remove_tree(self.name.as_bytes(), Subvolumes::Remove)
            .during("remove", "an item of the trash")
    }
}
