//! Moving unchanged directories of a new backup and its base into the pool.
//!
//! At every moment both backups are complete: each directory is exchanged with its link in one step.

use file_tree::Dir;
use manifest::{is_beneath, split_path};

use super::{PoolChange, PoolChangeKind, PoolLink, PoolList, link_text, unchanged::unchanged};
use crate::attributes::set_mtime;
use crate::backend::BackendKind;
use crate::crash;
use crate::error::{During as _, Error, Result, shown};
use crate::names::{BackupKind, BackupName, ClientName, PoolId};
use crate::retold;
use crate::store::{Pooling, Shared, Store};
use crate::trash::Item;

impl Store {
    /// Moves directories that a backup has in common with its base into the client's pool, where the backend has pools and
    /// they are on. To be called after the commit; a backup is as good without.
    ///
    /// Fails with [`Error::Busy`] while the client is backed up. Does nothing while one of the two backups is read.
    pub fn pool_backup(&self, client: &ClientName, name: &BackupName) -> Result<Vec<PoolChange>> {
        let shared = &*self.shared;
        let lacks = |capability| shared.capabilities.is_refused(capability);
        let can_pool = !lacks("rename_exchange") && !lacks("symlink");
        if self.backend() != BackendKind::Hardlink
            || shared.pooling == Pooling::Off
            || !can_pool
            || name.kind() == BackupKind::Image
        {
            return Ok(Vec::new());
        }
        let busy = || Error::Busy {
            client: client.clone(),
            what: name.to_string(),
        };
        let _claim = shared.usage.claim(client, BackupKind::File).ok_or_else(busy)?;
        let newer = shared.open_manifest(client, name)?;
        let base = newer
            .header()
            .base
            .as_ref()
            .and_then(|base| base.parse::<BackupName>().ok());
        let Some(base) = base.filter(|base| base != name) else {
            return Ok(Vec::new());
        };
        let older = match shared.open_manifest(client, &base) {
            Err(Error::UnknownBackup { .. }) => return Ok(Vec::new()),
            opened => opened?,
        };
        let (Some(_one), Some(_other)) = (
            shared.usage.exclude(client, name),
            shared.usage.exclude(client, &base),
        ) else {
            return Ok(Vec::new());
        };
        shared.located.close(client, name);
        shared.located.close(client, &base);
        let manifests = shared.layout.manifests(client)?;
        let before = PoolList::read(&manifests, &base)?;
        let now = PoolList::read(&manifests, name)?;
        let mut found = unchanged(&older, &newer, &before, &now)?;
        // What was sent again is not the base's, and a pool would silently take that from it. The next backup has these
        // in common with this one.
        let retold = retold::read(&manifests, name)?;
        found.retain(|path| !retold.iter().any(|told| is_beneath(told, path)));
        if found.is_empty() {
            return Ok(Vec::new());
        }
        Pass::new(shared, client, &base, name)?.run(found, &before, &now)
    }
}

/// One run over two backups of a client.
struct Pass<'a> {
    shared: &'a Shared,
    client: &'a ClientName,
    base: (&'a BackupName, Dir),
    backup: (&'a BackupName, Dir),
    manifests: Dir,
    pool: Dir,
    /// Takes the copies that are not needed any more.
    item: Item,
}

/// A directory to be replaced by a link.
struct Move {
    link: PoolLink,
    origin: Origin,
}

/// Where the pooled directory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It is that of the newer backup, which moves into the pool.
    New,
    /// The older backup links to it already.
    Pooled,
}

impl<'a> Pass<'a> {
    fn new(
        shared: &'a Shared,
        client: &'a ClientName,
        base: &'a BackupName,
        name: &'a BackupName,
    ) -> Result<Self> {
        let backups = shared.layout.backups(client)?;
        let tree = |name: &BackupName| backups.child(name.as_bytes()).during("open", name.as_str());
        Ok(Self {
            shared,
            client,
            base: (base, tree(base)?),
            backup: (name, tree(name)?),
            manifests: shared.layout.manifests(client)?,
            pool: shared.layout.pool(client)?,
            item: Item::create(&shared.layout)?,
        })
    }

    fn run(self, found: Vec<Box<[u8]>>, before: &PoolList, now: &PoolList) -> Result<Vec<PoolChange>> {
        let mut moves = Vec::new();
        for path in found {
            moves.extend(self.plan(path, before)?);
        }
        // What is added counts before what is listed: that may be of a pass that was interrupted.
        let with = |list: &PoolList, is_added: fn(&Move) -> bool| {
            let added = moves.iter().filter(|step| is_added(step)).map(|step| &step.link);
            PoolList::new(added.chain(list.links()).cloned().collect())
        };
        // ORDER: the lists name a pooled directory before anything links to it. A list that names one that isn't there
        // does no harm; a link that no list names could lose its directory.
        with(before, |step| step.origin == Origin::New).write(&self.manifests, self.base.0)?;
        with(now, |_| true).write(&self.manifests, self.backup.0)?;
        crash::point("pool: lists written");
        for (at, step) in moves.iter().enumerate() {
            self.move_newer(step, at)?;
            crash::point("pool: directory moved");
        }
        // ORDER: what has moved into the pool is there for good before the base gives its own away.
        cow_fs::sync_file_system(&self.pool).during("sync", "the pool")?;
        for (at, step) in moves
            .iter()
            .enumerate()
            .filter(|(_, step)| step.origin == Origin::New)
        {
            self.link_older(step, at)?;
            crash::point("pool: base linked");
        }
        let changes = self.changes(&moves);
        // Its content is removed by the next round of background work.
        self.item.release(&self.shared.layout)?;
        Ok(changes)
    }

    /// What is to be done with a directory. The list only says where to look: a pass that was interrupted has listed
    /// what it has not moved.
    fn plan(&self, path: Box<[u8]>, before: &PoolList) -> Result<Option<Move>> {
        if !self.is_directory(&self.backup.1, &path)? {
            return Ok(None);
        }
        if self.is_directory(&self.base.1, &path)? {
            let pool = PoolId::random();
            return Ok(Some(Move {
                link: PoolLink { path, pool },
                origin: Origin::New,
            }));
        }
        Ok(match before.find(&path) {
            Some(link) if self.is_linked(link)? => Some(Move {
                link: link.clone(),
                origin: Origin::Pooled,
            }),
            _ => None,
        })
    }

    /// Whether the base has the link, and what it leads to is there.
    fn is_linked(&self, link: &PoolLink) -> Result<bool> {
        let (parent, name) = locate(&self.base.1, &link.path)?;
        let text = link_text(self.client, &link.path, &link.pool);
        let has_link = parent.read_link(name).is_ok_and(|found| *found == *text);
        Ok(has_link && self.pool.child(link.pool.as_bytes()).is_ok())
    }

    fn changes(&self, moves: &[Move]) -> Vec<PoolChange> {
        let change = |link: &PoolLink, backup: &BackupName| PoolChange {
            client: self.client.clone(),
            pool: link.pool.clone(),
            backup: backup.clone(),
            kind: PoolChangeKind::Linked,
        };
        let mut changes = Vec::new();
        for step in moves {
            changes.push(change(&step.link, self.backup.0));
            if step.origin == Origin::New {
                changes.push(change(&step.link, self.base.0));
            }
        }
        changes
    }

    fn is_directory(&self, tree: &Dir, path: &[u8]) -> Result<bool> {
        let (parent, name) = locate(tree, path)?;
        Ok(parent.stat(name).during("look at", shown(path))?.kind == file_tree::FileType::Directory)
    }

    /// Puts the newer backup's directory into the pool, or the trash if it is there already, and the link in its place.
    fn move_newer(&self, step: &Move, at: usize) -> Result<()> {
        let trashed = trashed_name("newer", at);
        match step.origin {
            Origin::New => self.exchange(&self.backup.1, &step.link, &self.pool, step.link.pool.as_bytes()),
            Origin::Pooled => self.exchange(&self.backup.1, &step.link, &self.item.dir, &trashed),
        }
    }

    /// Puts the base's directory into the trash and the link in its place.
    fn link_older(&self, step: &Move, at: usize) -> Result<()> {
        self.exchange(
            &self.base.1,
            &step.link,
            &self.item.dir,
            &trashed_name("older", at),
        )
    }

    /// Makes the link as `name` in `to` and exchanges it with the tree's directory.
    fn exchange(&self, tree: &Dir, link: &PoolLink, to: &Dir, name: &[u8]) -> Result<()> {
        let path = &*link.path;
        let (parent, from) = locate(tree, path)?;
        let mtime = parent.stat_self().during("look at", shown(path))?.mtime;
        let text = link_text(self.client, path, &link.pool);
        to.create_symlink(name, &text)
            .during("link to the pool", shown(path))?;
        parent
            .exchange(from, to, name)
            .during("move to the pool", shown(path))?;
        set_mtime(&parent, mtime).during("set the time of", shown(path))
    }
}

fn trashed_name(of: &str, at: usize) -> Vec<u8> {
    format!("{of}-{at}").into_bytes()
}

fn locate<'a>(tree: &Dir, path: &'a [u8]) -> Result<(Dir, &'a [u8])> {
    let (parent, name) =
        split_path(path).ok_or_else(|| Error::invalid_entry(path, "the root can't be pooled"))?;
    Ok((tree.open_beneath(parent).during("open", shown(path))?, name))
}
