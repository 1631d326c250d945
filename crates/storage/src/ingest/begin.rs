//! Beginning a backup: its directory, its tree, its manifest, and what it grows from.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use file_tree::Dir;
use parking_lot::Mutex;

use super::structure::Structure;
use super::tally::Tally;
use super::{BaseTree, Basis, Growing, Ingest};
use crate::attributes::Attributes;
use crate::backend::Growth;
use crate::crash;
use crate::damage::Damaged;
use crate::error::{During as _, Error, Result};
use crate::incomplete::{OldBase, Resumption, State, TREE, boot_id, next_generation, take_base};
use crate::layout::manifest_file;
use crate::names::{BackupKind, BackupName, ClientName};
use crate::pool::PoolList;
use crate::retold::Retold;
use crate::store::Shared;
use crate::transfer::{Begun, Origin};
use crate::tree::TreeRoot;
use crate::usage::Claim;
use crate::watermark::Watermark;

impl Ingest {
    /// Begins a backup, or goes on with one. An incomplete one that is not resumed is discarded.
    pub(crate) fn begin(shared: &Arc<Shared>, client: &ClientName, basis: &Basis) -> Result<Self> {
        let busy = || Error::Busy {
            client: client.clone(),
            what: "the incomplete backup".to_owned(),
        };
        let claim = shared.usage.claim(client, BackupKind::File).ok_or_else(busy)?;
        shared.layout.backups(client)?;
        shared.layout.manifests(client)?;
        shared.complete_sealed(client, BackupKind::File)?;
        let growing = match basis {
            Basis::Fresh => begin_new(shared, client, None, None, claim)?,
            Basis::Backup(name) => begin_new(shared, client, Some(name), None, claim)?,
            Basis::Resume if Origin::of_work(shared, client, BackupKind::File)?.is_some() => {
                return Err(Error::NothingToResume {
                    client: client.clone(),
                });
            }
            Basis::Resume => resume(shared, client, claim)?,
        };
        Ok(Self {
            growing: Arc::new(growing),
        })
    }

    /// Begins to take in a backup that comes from another storage, or goes on with it. Fails with [`Error::Busy`] if the client has
    /// an incomplete backup of its own.
    pub(crate) fn begin_transfer(
        shared: &Arc<Shared>,
        client: &ClientName,
        base: Option<&BackupName>,
        origin: &Origin,
    ) -> Result<Self> {
        let claim = origin.claim(shared, client)?;
        let growing = match origin.find_begun(shared, client)? {
            Begun::This => resume(shared, client, claim)?,
            Begun::Nothing => begin_new(shared, client, base, Some(origin), claim)?,
        };
        Ok(Self {
            growing: Arc::new(growing),
        })
    }
}

fn begin_new(
    shared: &Arc<Shared>,
    client: &ClientName,
    base: Option<&BackupName>,
    origin: Option<&Origin>,
    claim: Claim,
) -> Result<Growing> {
    let base_tree = base
        .map(|name| open_base_tree(shared, client, name))
        .transpose()?;
    shared.discard_incomplete(client, BackupKind::File)?;
    let work = shared.layout.incomplete(client, BackupKind::File)?;
    let state = State::first(base, boot_id());
    let manifests = shared.layout.manifests(client)?;
    let base_manifest = match base {
        Some(name) => {
            Damaged::read(&manifests, name)?.write_growing(&work)?;
            Some(take_base(&work, &state, &manifests, &manifest_file(name))?)
        }
        None => None,
    };
    if let Some(origin) = origin {
        origin.write(&work)?;
    }
    let growth = match &base_tree {
        Some(base) => shared.backend.grow_tree(&base.root.dir, &work, TREE)?,
        None => shared.backend.create_tree(&work, TREE)?,
    };
    // A snapshot has all of its base, which may go from now on.
    let base_tree = base_tree.filter(|_| growth == Growth::PerEntry);
    let parts = Parts {
        work,
        state,
        base_manifest,
        base_tree,
        growth,
        placed_until: None,
        is_resumed: false,
    };
    let growing = parts.grow(shared, client, claim)?;
    // ORDER: the state is written last; without it recovery takes the directory for garbage.
    growing.state.lock().write(&growing.work)?;
    crash::point("begin: state written");
    Ok(growing)
}

fn resume(shared: &Arc<Shared>, client: &ClientName, claim: Claim) -> Result<Growing> {
    let nothing = || Error::NothingToResume {
        client: client.clone(),
    };
    let work = shared
        .layout
        .find_incomplete(client, BackupKind::File)?
        .ok_or_else(nothing)?;
    let state = State::read(&work)?.ok_or_else(nothing)?;
    let tree = crate::durable::find_dir(&work, TREE)?.ok_or_else(nothing)?;
    // What an earlier session of this boot has written becomes durable, so that this session's books, which begin
    // anew, need not tell it apart.
    cow_fs::sync_file_system(&tree).during("sync", "the incomplete backup")?;
    let base_tree = match (state.growth, state.base_name()) {
        (Growth::PerEntry, Some(name)) => find_base_tree(shared, client, &name)?,
        _ => None,
    };
    let needs_tree = state.growth == Growth::PerEntry && state.base.is_some();
    let old_base = if needs_tree && base_tree.is_none() {
        OldBase::Gone
    } else {
        OldBase::Available
    };
    let Resumption { state, base } = next_generation(&work, &tree, &state, &boot_id(), old_base)?;
    let (growth, placed_until) = (state.growth, state.placed_until());
    let parts = Parts {
        work,
        state,
        base_manifest: base,
        base_tree,
        growth,
        placed_until,
        is_resumed: true,
    };
    parts.grow(shared, client, claim)
}

/// What differs between the ways to begin.
struct Parts {
    work: Dir,
    state: State,
    base_manifest: Option<std::fs::File>,
    base_tree: Option<BaseTree>,
    growth: Growth,
    placed_until: Option<Box<[u8]>>,
    is_resumed: bool,
}

impl Parts {
    fn grow(mut self, shared: &Arc<Shared>, client: &ClientName, claim: Claim) -> Result<Growing> {
        self.state.growth = self.growth;
        let manifest_file = self.state.manifest_file();
        crate::durable::remove(&self.work, manifest_file.as_bytes())?;
        let manifest = self
            .work
            .create_file(manifest_file.as_bytes(), 0o600)
            .during("create", &manifest_file)?;
        let watermark = Watermark::create(&self.work, &self.state.watermark_file())?;
        let has_two_sources = self.is_resumed && self.state.base.is_some();
        let retold = has_two_sources.then(|| Retold::open(&self.work)).transpose()?;
        let damaged = Damaged::read_growing(&self.work)?;
        let tree = TreeRoot {
            client: client.clone(),
            dir: self.work.child(TREE).during("open", "the incomplete backup")?,
            pool: shared.layout.find_pool(client)?,
        };
        Ok(Growing {
            shared: Arc::clone(shared),
            client: client.clone(),
            work: self.work,
            state: Mutex::new(self.state),
            tree,
            growth: self.growth,
            base: self.base_tree,
            base_manifest: self.base_manifest,
            manifest,
            placed_until: self.placed_until,
            is_resumed: self.is_resumed,
            retold,
            structure: Mutex::new(Structure::new(watermark)),
            has_split_links: AtomicBool::new(false),
            moved: Mutex::new(Vec::new()),
            damaged: Mutex::new(damaged),
            attributes: Attributes::of_this_process(),
            tally: Tally::default(),
            _claim: claim,
        })
    }
}

/// Opens the base if it is still there.
fn find_base_tree(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<Option<BaseTree>> {
    match open_base_tree(shared, client, name) {
        Err(Error::UnknownBackup { .. }) => Ok(None),
        opened => opened.map(Some),
    }
}

fn open_base_tree(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<BaseTree> {
    let unknown = || Error::UnknownBackup {
        client: client.clone(),
        name: name.clone(),
    };
    let reading = shared.usage.read(client, name).ok_or_else(|| Error::Busy {
        client: client.clone(),
        what: name.to_string(),
    })?;
    let manifests = shared.layout.find_manifests(client)?.ok_or_else(unknown)?;
    crate::durable::find_file(&manifests, manifest_file(name).as_bytes())?.ok_or_else(unknown)?;
    let backups = shared.layout.find_backups(client)?.ok_or_else(unknown)?;
    let dir = crate::durable::find_dir(&backups, name.as_bytes())?.ok_or_else(unknown)?;
    let has_pool_links = !PoolList::read(&manifests, name)?.is_empty();
    let pool = shared.layout.find_pool(client)?;
    Ok(BaseTree {
        root: TreeRoot {
            client: client.clone(),
            dir,
            pool,
        },
        has_pool_links,
        _reading: reading,
    })
}
