//! Doing what a plan says. Each step looks again whether it still applies.

use manifest::split_path;

use super::{Finding, Remedy, RepairPlan, Repaired, pool_links};
use crate::attributes::set_mtime;
use crate::ballast::with_ballast;
use crate::error::{During as _, Error, Result, shown};
use crate::ingest::rename_new;
use crate::names::{BackupKind, BackupName, ClientName, PoolId};
use crate::pool::{PoolLink, PoolList, link_text};
use crate::store::{Shared, Store};
use crate::trash::Item;

impl Store {
    /// Does what a plan says, step by step; what fails does not keep the rest from being done. Backups and clients
    /// that are in use are left as they are.
    pub fn apply_repair(&self, plan: &RepairPlan) -> Repaired {
        let mut repaired = Repaired::default();
        for (finding, remedy) in plan.steps.iter().filter(|(_, remedy)| *remedy != Remedy::None) {
            match self.shared.apply(finding, *remedy) {
                Ok(()) => repaired.done.push(finding.clone()),
                Err(error) => repaired.failed.push((finding.clone(), error)),
            }
        }
        repaired
    }

    /// The links into the pool that a backup has, for whoever counts them anew.
    pub fn pool_links(&self, client: &ClientName, name: &BackupName) -> Result<Vec<PoolLink>> {
        let Some(manifests) = self.shared.layout.find_manifests(client)? else {
            return Ok(Vec::new());
        };
        Ok(PoolList::read(&manifests, name)?.links().to_vec())
    }
}

impl Shared {
    fn apply(&self, finding: &Finding, remedy: Remedy) -> Result<()> {
        match finding {
            Finding::RenamedClient { client, found } => self.rename_back(client, found),
            Finding::UnknownTree { client, name } => self.trash_unknown(client, name),
            Finding::Writable { client, backup } => {
                let tree = self
                    .layout
                    .backups(client)?
                    .child(backup.as_bytes())
                    .during("open", backup.as_str())?;
                self.backend.seal(&tree)
            }
            Finding::WrongPoolLink {
                client,
                backup,
                path,
                pool,
            } => {
                self.relink(client, backup, path, pool)?;
                self.correct_list(client, backup, path, Some(pool))
            }
            Finding::UnlistedPoolLink {
                client,
                backup,
                path,
                pool,
            } => self.correct_list(client, backup, path, Some(pool)),
            Finding::NeedlessPoolEntry { client, backup, path } => {
                self.correct_list(client, backup, path, None)
            }
            Finding::DamagedPoolList { client, backup } => {
                let _exclusive = self.exclude(client, backup)?;
                let links = pool_links::collect(self, client, backup)?;
                PoolList::new(links).write(&self.layout.manifests(client)?, backup)
            }
            Finding::UnusedPooled { client, pool } => self.trash_unused(client, pool),
            Finding::MissingTree { .. }
            | Finding::UnknownEntry { .. }
            | Finding::DamagedManifest { .. }
            | Finding::MissingPooled { .. } => {
                unreachable!("a plan has no remedy {remedy:?} for this")
            }
        }
    }

    fn exclude(&self, client: &ClientName, backup: &BackupName) -> Result<crate::usage::Exclusive> {
        let busy = || Error::Busy {
            client: client.clone(),
            what: backup.to_string(),
        };
        self.located.close(client, backup);
        self.usage.exclude(client, backup).ok_or_else(busy)
    }

    fn claim(&self, client: &ClientName) -> Result<crate::usage::Claim> {
        let busy = || Error::Busy {
            client: client.clone(),
            what: "the incomplete backup".to_owned(),
        };
        self.usage.claim(client, BackupKind::File).ok_or_else(busy)
    }

    fn rename_back(&self, client: &ClientName, found: &str) -> Result<()> {
        let _claim = self.claim(client)?;
        // An empty directory in its place, which a begun backup makes, is no reason against it.
        let _ = self.layout.root.remove_dir(client.as_bytes());
        rename_new(
            &self.layout.root,
            found.as_bytes(),
            &self.layout.root,
            client.as_bytes(),
        )
        .during("rename", found)?;
        self.layout.sync_clients()
    }

    fn trash_unknown(&self, client: &ClientName, name: &str) -> Result<()> {
        let _claim = self.claim(client)?;
        let is_known = self
            .layout
            .backup_names(client)?
            .iter()
            .any(|known| known.as_str() == name);
        if is_known {
            return Err(Error::Busy {
                client: client.clone(),
                what: name.to_owned(),
            });
        }
        let item = with_ballast(&self.layout.state, || Item::create(&self.layout))?;
        self.backend
            .drop_tree(&self.layout.backups(client)?, name.as_bytes(), &item.dir)?;
        item.release(&self.layout).map(drop)
    }

    fn trash_unused(&self, client: &ClientName, id: &PoolId) -> Result<()> {
        let _claim = self.claim(client)?;
        if self.layout.find_incomplete(client, BackupKind::File)?.is_some()
            || self.pooled_in_use(client)?.contains(id)
        {
            return Err(Error::Busy {
                client: client.clone(),
                what: format!("pooled directory {id}"),
            });
        }
        match self.layout.find_pool(client)? {
            Some(pool) => self.trash_pooled(&pool, id.as_bytes()),
            None => Ok(()),
        }
    }

    /// Replaces a link by the right one, in one step.
    fn relink(&self, client: &ClientName, backup: &BackupName, path: &[u8], pool: &PoolId) -> Result<()> {
        let _exclusive = self.exclude(client, backup)?;
        let (parent, name) =
            split_path(path).ok_or_else(|| Error::invalid_entry(path, "the root is no link"))?;
        let tree = self
            .layout
            .backups(client)?
            .child(backup.as_bytes())
            .during("open", backup.as_str())?;
        let parent = tree.open_beneath(parent).during("open", shown(path))?;
        let is_link = parent.read_link(name).is_ok();
        if !is_link {
            return Err(Error::NotInBackup { path: shown(path) });
        }
        let mtime = parent.stat_self().during("look at", shown(path))?.mtime;
        let item = Item::create(&self.layout)?;
        let text = link_text(client, path, pool);
        item.dir
            .create_symlink(name, &text)
            .during("link to the pool", shown(path))?;
        item.dir
            .rename(name, &parent, name)
            .during("link to the pool", shown(path))?;
        set_mtime(&parent, mtime).during("set the time of", shown(path))?;
        item.remove(&self.layout)
    }

    /// Makes the list name the directory at `path` as a link to `pool`, or as none.
    fn correct_list(
        &self,
        client: &ClientName,
        backup: &BackupName,
        path: &[u8],
        pool: Option<&PoolId>,
    ) -> Result<()> {
        let manifests = self.layout.manifests(client)?;
        let list = PoolList::read(&manifests, backup)?;
        let others = list.links().iter().filter(|link| *link.path != *path).cloned();
        let added = pool.map(|pool| PoolLink {
            path: path.into(),
            pool: pool.clone(),
        });
        PoolList::new(others.chain(added).collect()).write(&manifests, backup)
    }
}
