//! `trash/ID`: what is no longer a backup and still has to be removed.
//!
//! Of a deleted backup the item has `deleted.toml`, the manifest (until the content index no longer refers to it), the
//! list of links into the pool (until the pool has been looked through) and, where the kernel does not remove it,
//! the tree. An item without `deleted.toml` is mere garbage.

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

/// An item of the trash.
#[derive(Debug)]
pub(crate) struct Item {
    pub dir: Dir,
    id: PoolId,
}

impl Item {
    /// Creates an empty one.
    pub fn create(layout: &Layout) -> Result<Self> {
        let id = PoolId::random();
        let dir = layout.trash.create_dir(id.as_bytes(), 0o700).during("create", "an item of the trash")?;
        Ok(Self { dir, id })
    }

    /// Opens all there are.
    pub fn all(layout: &Layout) -> Result<Vec<Self>> {
        let ids = names_in(&layout.trash, PoolId::from_file_name)?;
        ids.into_iter()
            .map(|id| Ok(Self { dir: layout.trash.child(id.as_bytes()).during("open", id.as_str())?, id }))
            .collect()
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
        let Some(content) = durable::read(&self.dir, DELETED_FILE)? else { return Ok(None) };
        let text: Option<Text> = str::from_utf8(&content).ok().and_then(|text| toml::from_str(text).ok());
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
        self.dir.remove_tree(name, Subvolumes::Remove).during("remove", "a part of the trash")
    }

    /// Removes the item.
    pub fn remove(self, layout: &Layout) -> Result<()> {
        layout.trash.remove_tree(self.id.as_bytes(), Subvolumes::Remove).during("remove", "an item of the trash")
    }
}
