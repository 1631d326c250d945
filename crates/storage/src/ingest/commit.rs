//! Committing a backup, and completing a commit that was interrupted.
//!
//! The order is what keeps the promise that a backup that was committed can be restored: see the `ORDER` comments.

use file_tree::Dir;
use manifest::{ContentHash, Reader, Totals};

use super::{Growing, Outcome};
use crate::crash;
use crate::damage::{self, Damaged};
use crate::durable;
use crate::error::{During as _, Error, Result, tree_errno};
use crate::incomplete::{TREE, sealed_file, sealed_name};
use crate::index::Owner;
use crate::layout::{manifest_file, manifest_path, pool_list_file};
use crate::names::{BackupName, ClientName};
use crate::pool::{PoolChange, PoolChangeKind, PoolList};
use crate::retold;
use crate::store::Shared;

/// A backup that has been committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Whose it is.
    pub client: ClientName,
    /// Its name.
    pub name: BackupName,
    /// The digest of its manifest.
    pub digest: ContentHash,
    /// What it holds.
    pub totals: Totals,
    /// What was done for it.
    pub outcome: Outcome,
    /// The links into the pool that it took over from its base.
    pub pool_changes: Vec<PoolChange>,
}

impl Growing {
    pub(super) fn commit(&self, name: &BackupName) -> Result<Committed> {
        let manifest = self.finished_manifest(name)?;
        self.shared.check_name_is_free(&self.client, name)?;
        let pool_list = self.complete(&manifest)?;
        pool_list.write(&self.work, name)?;
        self.write_damaged(&manifest)?;
        crash::point("commit: tree complete");
        // ORDER: all content and metadata of the tree is durable before anything says that the backup is complete.
        cow_fs::sync_file_system(&self.tree.dir).during("sync", "the incomplete backup")?;
        self.manifest.sync_all().during("sync", "the manifest")?;
        crash::point("commit: tree durable");
        // ORDER: the sealed name is the decision. Before it the backup is incomplete and can be resumed; from here on
        // recovery completes it.
        let part = self.state.lock().manifest_file();
        let sealed = sealed_file(name);
        self.work
            .rename(part.as_bytes(), &self.work, sealed.as_bytes())
            .during("seal", &sealed)?;
        durable::sync(&self.work, "the incomplete backup")?;
        crash::point("commit: sealed");
        roll_forward(&self.shared, &self.client, &self.work)?;
        self.repoint_index(name, manifest.digest());
        Ok(Committed {
            client: self.client.clone(),
            name: name.clone(),
            digest: manifest.digest(),
            totals: *manifest.totals(),
            outcome: self.tally.outcome(),
            pool_changes: linked(&self.client, name, &pool_list),
        })
    }

    fn write_damaged(&self, manifest: &Reader) -> Result<()> {
        let mut damaged = self.damaged.lock();
        if damaged.is_empty() {
            return Damaged::default().write_growing(&self.work);
        }
        damaged.retain_listed(manifest)?;
        damaged.write_growing(&self.work)
    }

    /// Opens the manifest, which must be finished and this backup's.
    fn finished_manifest(&self, name: &BackupName) -> Result<Reader> {
        let path = manifest_path(&self.client, name);
        let file = self.manifest.try_clone().during("open", &path)?;
        let manifest = Reader::open(file).map_err(Error::manifest(&path))?;
        let header = manifest.header();
        if header.client != self.client.as_str() || header.name != name.as_str() {
            let reason = format!("it is the manifest of {} {}", header.client, header.name);
            return Err(Error::corrupt(path, reason));
        }
        Ok(manifest)
    }

    /// Leads the index to new inodes. It holds hints only: whatever fails here costs a copy later.
    fn repoint_index(&self, name: &BackupName, digest: ContentHash) {
        let moved = std::mem::take(&mut *self.moved.lock());
        if moved.is_empty() {
            return;
        }
        let owner = Owner {
            client: self.client.clone(),
            name: name.clone(),
            digest,
        };
        if let Err(error) = self.shared.index.repoint(&owner, &moved) {
            tracing::warn!(%error, client = %self.client, "pointing the content index at new copies");
        }
    }
}

impl Shared {
    /// Fails with [`Error::BackupExists`] if a backup, or something else in its place, has the name.
    pub fn check_name_is_free(&self, client: &ClientName, name: &BackupName) -> Result<()> {
        let taken = || Error::BackupExists {
            client: client.clone(),
            name: name.clone(),
        };
        let manifests = self.layout.manifests(client)?;
        if durable::find_file(&manifests, manifest_file(name).as_bytes())?.is_some() {
            return Err(taken());
        }
        match self.layout.backups(client)?.stat(name.as_bytes()) {
            Ok(_) => Err(taken()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error).during("look at", name.as_str()),
        }
    }
}

/// The changes that a backup's list of links means when it appears.
pub(crate) fn linked(client: &ClientName, name: &BackupName, list: &PoolList) -> Vec<PoolChange> {
    let change = |pool: &crate::names::PoolId| PoolChange {
        client: client.clone(),
        pool: pool.clone(),
        backup: name.clone(),
        kind: PoolChangeKind::Linked,
    };
    list.links().iter().map(|link| change(&link.pool)).collect()
}

/// Completes a sealed backup: each step is done if it isn't yet. Returns its name; `None` if none is sealed.
pub(crate) fn roll_forward(shared: &Shared, client: &ClientName, work: &Dir) -> Result<Option<BackupName>> {
    let Some(name) = sealed_name(work)? else {
        return Ok(None);
    };
    let backups = shared.layout.backups(client)?;
    let manifests = shared.layout.manifests(client)?;
    if durable::find_dir(work, TREE)?.is_some() {
        rename_new(work, TREE, &backups, name.as_bytes()).during("put in place", name.as_str())?;
    }
    crash::point("commit: tree in place");
    let tree = backups.child(name.as_bytes()).during("open", name.as_str())?;
    shared.backend.seal(&tree)?;
    crash::point("commit: read-only");
    let pool_list = pool_list_file(&name);
    match work.rename(pool_list.as_bytes(), &manifests, pool_list.as_bytes()) {
        Err(error) if !error.is_not_found() => Err(error).during("put in place", &pool_list)?,
        _ => {}
    }
    retold::put_in_place(work, &manifests, &name)?;
    damage::put_in_place(work, &manifests, &name)?;
    crash::point("commit: pool list in place");
    // ORDER: the tree and the pool's list are in their places for good, and the tree read-only, before the manifest makes
    // them a backup. Syncing the directories would not do: on btrfs the subvolume's flag is durable with the transaction only.
    cow_fs::sync_file_system(&tree).during("sync", name.as_str())?;
    let sealed = sealed_file(&name);
    shared.expect(client, &name);
    let renamed = work.rename(sealed.as_bytes(), &manifests, manifest_file(&name).as_bytes());
    shared.note_changed(client, &name);
    renamed.during("commit", name.as_str())?;
    durable::sync(&manifests, name.as_str())?;
    crash::point("commit: manifest in place");
    shared.forget_work(client, name.kind())?;
    crash::point("commit: cleaned up");
    Ok(Some(name))
}

/// Renames without replacing, also where the file system lacks the flag for it.
pub(crate) fn rename_new(from: &Dir, name: &[u8], to: &Dir, to_name: &[u8]) -> file_tree::Result<()> {
    use rustix::io::Errno;
    match from.rename_new(name, to, to_name) {
        Err(error)
            if matches!(
                tree_errno(&error),
                Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)
            ) =>
        {
            match to.stat(to_name) {
                Err(error) if error.is_not_found() => from.rename(name, to, to_name),
                Ok(_) => Err(file_tree::Error::new(
                    file_tree::Operation::Rename,
                    to_name,
                    Errno::EXIST,
                )),
                Err(error) => Err(error),
            }
        }
        renamed => renamed,
    }
}
