//! `mending.toml`: what is under way in the tree of a committed backup, so that recovery can put it right.

use file_tree::Dir;
use manifest::{KindRef, Reader, join_path};
use serde::{Deserialize, Serialize};

use crate::attributes::set_mtime;
use crate::durable::{self, find_dir};
use crate::error::{During as _, Error, Result, shown};
use crate::layout::manifest_path;
use crate::names::{BackupName, ClientName};
use crate::store::Shared;
use crate::trash::Item;
use crate::tree::TreeRoot;

const FILE: &str = "mending.toml";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    client: String,
    backup: String,
    /// The first name of the file, in hexadecimal.
    path: String,
    /// The name in the tree's root under which the new content is made, if it is made there.
    staged: Option<String>,
}

impl Journal {
    pub fn new(client: &ClientName, backup: &BackupName, path: &[u8], staged: Option<&str>) -> Self {
        Self {
            client: client.to_string(),
            backup: backup.to_string(),
            path: path.iter().map(|byte| format!("{byte:02x}")).collect(),
            staged: staged.map(str::to_owned),
        }
    }

    pub fn write(&self, item: &Item) -> Result<()> {
        let text = toml::to_string(self).expect("a flat table of strings is always valid TOML");
        durable::write(&item.dir, FILE, text.as_bytes())
    }

    fn read(item: &Item) -> Result<Option<Self>> {
        let content = durable::read(&item.dir, FILE)?;
        let text = content
            .as_deref()
            .and_then(|content| str::from_utf8(content).ok());
        Ok(text.and_then(|text| toml::from_str(text).ok()))
    }

    fn path(&self) -> Option<Vec<u8>> {
        let digits = self.path.as_bytes().chunks(2);
        digits
            .map(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
            .collect()
    }
}

/// Whose backup was being mended with an item of the trash, if it is one of these, which recovery needs.
pub(crate) fn client_of(item: &Item) -> Result<Option<ClientName>> {
    Ok(Journal::read(item)?.and_then(|journal| journal.client.parse().ok()))
}

/// Puts right what an item of the trash says was under way, if it does.
pub(crate) fn recover(shared: &Shared, item: &Item) -> Result<()> {
    let Some(journal) = Journal::read(item)? else {
        return Ok(());
    };
    if let (Ok(client), Ok(name), Some(path)) =
        (journal.client.parse(), journal.backup.parse(), journal.path())
    {
        recover_backup(shared, &client, &name, &path, journal.staged.as_deref())?;
    }
    // The new content may be in place.
    shared.ledger.distrust();
    durable::remove(&item.dir, FILE.as_bytes())?;
    durable::sync(&item.dir, "an item of the trash")
}

fn recover_backup(
    shared: &Shared,
    client: &ClientName,
    name: &BackupName,
    path: &[u8],
    staged: Option<&str>,
) -> Result<()> {
    let Some(backups) = shared.layout.find_backups(client)? else {
        return Ok(());
    };
    let Some(dir) = find_dir(&backups, name.as_bytes())? else {
        return Ok(());
    };
    let manifest = match shared.open_manifest(client, name) {
        // It has been deleted since, and what is there is another's.
        Err(Error::UnknownBackup { .. }) => return Ok(()),
        opened => opened?,
    };
    shared.backend.unseal(&dir)?;
    if let Some(staged) = staged {
        durable::remove(&dir, staged.as_bytes())?;
    }
    let mut names = vec![path.into()];
    let failed = || Error::manifest(manifest_path(client, name));
    other_names(&manifest, path, &mut names).map_err(failed())?;
    let root = TreeRoot {
        client: client.clone(),
        pool: shared.layout.find_pool(client)?,
        dir,
    };
    for name in &names {
        if let Some((parent, _)) = manifest::split_path(name)
            && let Ok(dir) = root.open_dir(parent, |_| Ok(true))
        {
            restore_time(&manifest, parent, &dir).map_err(failed())??;
        }
    }
    seal(shared, &root.dir)
}

/// Gives a directory in which a file has been replaced its time of modification again.
pub(super) fn restore_time(manifest: &Reader, path: &[u8], dir: &Dir) -> manifest::Result<Result<()>> {
    Ok(match manifest.lookup(path)? {
        Some(entry) => set_mtime(dir, entry.metadata.mtime).during("set the time of", shown(path)),
        // The root has none.
        None => Ok(()),
    })
}

/// Makes a tree what it was before, durably.
pub(super) fn seal(shared: &Shared, tree: &Dir) -> Result<()> {
    shared.backend.seal(tree)?;
    // On btrfs the subvolume's flag is durable with the transaction only.
    cow_fs::sync_file_system(tree).during("sync", "a mended backup")
}

/// Adds the further names of a file.
pub(super) fn other_names(
    manifest: &Reader,
    path: &[u8],
    names: &mut Vec<Box<[u8]>>,
) -> manifest::Result<()> {
    for record in manifest.raw_records() {
        let record = record?;
        for entry in record.entries()? {
            let entry = entry?;
            if matches!(entry.kind, KindRef::HardLink { target } if target == path) {
                names.push(join_path(record.path(), entry.name));
            }
        }
    }
    Ok(())
}
