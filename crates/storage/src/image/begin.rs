//! Beginning an image: its tree, and what it grows from.

use std::sync::Arc;

use file_tree::Dir;
use parking_lot::Mutex;

use super::{BaseImage, Content, ImageIngest, State, VolumeFormat, block_list, volumes_of};
use crate::backend::Growth;
use crate::crash;
use crate::damage::Damaged;
use crate::durable::{find_dir, find_file};
use crate::error::{During as _, Error, Result};
use crate::incomplete::TREE;
use crate::layout::{manifest_file, manifest_path};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::store::{Shared, Store};
use crate::transfer::{Begun, Origin};
use crate::usage::Claim;

impl Store {
    /// Begins to take in an image of a client, of which only one can be under way at once: goes on with an interrupted one,
    /// else from `base`, else from nothing.
    ///
    /// Fails with [`Error::Busy`] and [`Error::UnknownBackup`].
    pub fn begin_image(&self, client: &ClientName, base: Option<&BackupName>) -> Result<ImageIngest> {
        self.begin_image_in(None, client, base)
    }

    /// The same with volumes in a format, if there is one to be chosen here; an interrupted one keeps its own.
    pub fn begin_image_in(
        &self,
        format: Option<VolumeFormat>,
        client: &ClientName,
        base: Option<&BackupName>,
    ) -> Result<ImageIngest> {
        let shared = &self.shared;
        let busy = || Error::Busy {
            client: client.clone(),
            what: "the incomplete image".to_owned(),
        };
        let claim = shared.usage.claim(client, BackupKind::Image).ok_or_else(busy)?;
        shared.layout.backups(client)?;
        shared.layout.manifests(client)?;
        shared.complete_sealed(client, BackupKind::Image)?;
        if Origin::of_work(shared, client, BackupKind::Image)?.is_some() {
            // It comes from another storage, and is begun anew there.
            shared.discard_incomplete(client, BackupKind::Image)?;
        }
        if let Some(work) = shared.layout.find_incomplete(client, BackupKind::Image)?
            && let Some(state) = State::read(&work)?
            && find_dir(&work, TREE)?.is_some()
        {
            return resume(shared, client, work, &state, claim);
        }
        begin_new(shared, client, base, format, None, claim)
    }
}

impl ImageIngest {
    /// Begins to take in an image that comes from another storage, or goes on with it. Fails with [`Error::Busy`] if the client has
    /// an incomplete one of its own.
    pub(crate) fn begin_transfer(
        shared: &Arc<Shared>,
        client: &ClientName,
        base: Option<&BackupName>,
        format: Option<VolumeFormat>,
        origin: &Origin,
    ) -> Result<Self> {
        let claim = origin.claim(shared, client)?;
        if origin.find_begun(shared, client)? == Begun::This
            && let Some(work) = shared.layout.find_incomplete(client, BackupKind::Image)?
            && let Some(state) = State::read(&work)?
        {
            return resume(shared, client, work, &state, claim);
        }
        begin_new(shared, client, base, format, Some(origin), claim)
    }
}

fn begin_new(
    shared: &Arc<Shared>,
    client: &ClientName,
    base: Option<&BackupName>,
    format: Option<VolumeFormat>,
    origin: Option<&Origin>,
    claim: Claim,
) -> Result<ImageIngest> {
    shared.discard_incomplete(client, BackupKind::Image)?;
    let opened = base.map(|name| open_base(shared, client, name)).transpose()?;
    let work = shared.layout.incomplete(client, BackupKind::Image)?;
    let format = shared.format_for(format);
    let growth = match &opened {
        Some((base, _)) => shared.backend.grow_tree(&base.dir, &work, TREE)?,
        None => shared.backend.create_tree(&work, TREE)?,
    };
    let (base_image, content) = opened.unzip();
    let content = content.unwrap_or_default();
    let tree = work.child(TREE).during("open", "the incomplete image")?;
    if growth == Growth::Whole {
        block_list::remove_wrong(&tree, &content.base_hashes)?;
    }
    if let Some(origin) = origin {
        origin.write(&work)?;
    }
    // ORDER: the state is written last; without it recovery takes the directory for garbage.
    State::new(base, format).write(&work)?;
    crash::point("image: begun");
    Ok(ImageIngest {
        shared: Arc::clone(shared),
        client: client.clone(),
        tree,
        work,
        // A snapshot has all of its base, which may go from now on.
        base: base_image.filter(|_| growth == Growth::PerEntry),
        base_name: base.cloned(),
        is_resumed: false,
        format,
        content: Mutex::new(content),
        _claim: claim,
    })
}

fn resume(
    shared: &Arc<Shared>,
    client: &ClientName,
    work: Dir,
    state: &State,
    claim: Claim,
) -> Result<ImageIngest> {
    let (base_name, format) = (state.base_name(), state.volume_format());
    let base = base_name.as_ref().map(|name| open_base(shared, client, name));
    let base = match base {
        // A base that has been deleted meanwhile has nothing more to give.
        Some(Err(Error::UnknownBackup { .. })) | None => None,
        Some(opened) => Some(opened?),
    };
    let tree = work.child(TREE).during("open", "the incomplete image")?;
    if state.may_have_lost_power() {
        // ORDER: lists that may be wrong are gone before a state says that this boot has written them.
        block_list::remove_all(&tree)?;
        State::new(base_name.as_ref(), format).write(&work)?;
    }
    if format != VolumeFormat::Raw && base_name.is_some() && base.is_none() {
        // ORDER: the lists say of blocks that they are the base's; they are gone before the state knows of no base.
        block_list::remove_all(&tree)?;
        State::new(None, format).write(&work)?;
    }
    let (base, content) = base.unzip();
    Ok(ImageIngest {
        shared: Arc::clone(shared),
        client: client.clone(),
        tree,
        work,
        base,
        base_name,
        is_resumed: true,
        format,
        content: Mutex::new(content.unwrap_or_default()),
        _claim: claim,
    })
}

fn open_base(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<(BaseImage, Content)> {
    let unknown = || Error::UnknownBackup {
        client: client.clone(),
        name: name.clone(),
    };
    let reading = shared.usage.read(client, name).ok_or_else(|| Error::Busy {
        client: client.clone(),
        what: name.to_string(),
    })?;
    let manifests = shared.layout.find_manifests(client)?.ok_or_else(unknown)?;
    find_file(&manifests, manifest_file(name).as_bytes())?.ok_or_else(unknown)?;
    let backups = shared.layout.find_backups(client)?.ok_or_else(unknown)?;
    let dir = find_dir(&backups, name.as_bytes())?.ok_or_else(unknown)?;
    let manifest = shared.open_manifest(client, name)?;
    let mut base_hashes = volumes_of(&manifest).map_err(Error::manifest(manifest_path(client, name)))?;
    // What is known to be damaged is looked at, whatever its block list says.
    let damaged = Damaged::read(&manifests, name)?;
    base_hashes.retain(|path, _| !damaged.contains(path));
    let content = Content {
        base_hashes,
        ..Content::default()
    };
    Ok((
        BaseImage {
            name: name.clone(),
            dir,
            backups,
            _reading: reading,
        },
        content,
    ))
}
