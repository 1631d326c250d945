//! Creating, opening and taking over a storage; everything that speaks against it is found before anything is changed.

use std::path::Path;
use std::sync::Arc;

use file_tree::Dir;
use parking_lot::Mutex;
use rustix::io::Errno;

use super::{CreateOptions, OpenOptions, Recovery, Shared, Store};
use crate::backend::{BackendKind, backend};
use crate::ballast;
use crate::error::{During as _, Error, Result};
use crate::identity::Identity;
use crate::image::VolumeFormat;
use crate::index::ContentIndex;
use crate::index::located::Located;
use crate::layout::{Layout, STATE};
use crate::lock::Lock;
use crate::names::ServerId;
use crate::published;
use crate::sizes::{Ledger, Measure};
use crate::trash::Item;
use crate::usage::Usage;

impl Store {
    /// Creates a storage in an empty directory, which is made if only its parent is there, and opens it.
    ///
    /// Fails with [`Error::NotAStorage`] if the directory holds anything (but `lost+found`), and with
    /// [`Error::AlreadyAStorage`] if that is a storage.
    pub fn create(path: &Path, options: &CreateOptions) -> Result<Self> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Missing {
                    path: path.parent().unwrap_or(path).to_owned(),
                });
            }
            created => created.during("create", path)?,
        }
        let root = Layout::open_root(path)?;
        if let Some(state) = Layout::find_state(&root)?
            && Identity::read(&state, path)?.is_some()
        {
            return Err(Error::AlreadyAStorage {
                path: path.to_owned(),
            });
        }
        // `.perennial` without `storage.toml` is what a creation leaves that was interrupted.
        let is_ours = |name: &[u8]| name == STATE.as_bytes() || name == b"lost+found";
        if root
            .list()
            .during("list", path)?
            .iter()
            .any(|listed| !is_ours(listed.name))
        {
            return Err(Error::NotAStorage {
                path: path.to_owned(),
            });
        }
        let state = Layout::ensure_state(&root).map_err(|error| at(error, path))?;
        let lock = Lock::take(&state, path)?;
        let capabilities = probe(path, &state)?;
        refuse_untried(path, &capabilities)?;
        let kind = options
            .backend
            .unwrap_or_else(|| BackendKind::best(&capabilities));
        check_backend(path, kind, &capabilities)?;
        let layout = Layout::open(path, root, state)?;
        let identity = Identity::new(options.open.server.clone(), kind);
        // ORDER: the identity comes last; what has none is no storage.
        identity.write(&layout.state)?;
        crate::durable::sync(&layout.root, ".")?;
        Self::assemble(layout, identity, capabilities, lock, &options.open)
    }

    /// Opens a storage and completes or cleans up what an earlier process left (see [`recovered`](Store::recovered)).
    ///
    /// Refuses, in this order: [`Error::Missing`], [`Error::NotAStorage`], [`Error::ReadOnly`], [`Error::Locked`],
    /// [`Error::NewerFormat`], [`Error::OtherOwner`], [`Error::Unsupported`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let (root, state, lock, identity) = unlock(path)?;
        if identity.owner != options.server {
            return Err(Error::OtherOwner {
                path: path.to_owned(),
                owner: identity.owner,
            });
        }
        // A disk that stays too full to try: then the storage is taken at its word.
        let capabilities = probe(path, &state)?;
        check_backend(path, identity.backend, &capabilities)?;
        Self::assemble(
            Layout::open(path, root, state)?,
            identity,
            capabilities,
            lock,
            options,
        )
    }

    /// Takes over a storage that belonged to another server, or has been moved to another file system, and opens it.
    ///
    /// If the file system can't carry the old backend, it gets the best one that it can. The other server must
    /// never use it again.
    pub fn adopt(path: &Path, options: &OpenOptions) -> Result<Self> {
        let (root, state, lock, mut identity) = unlock(path)?;
        let capabilities = probe(path, &state)?;
        refuse_untried(path, &capabilities)?;
        identity.owner = options.server.clone();
        if identity.backend.lacking(&capabilities).is_some() {
            identity.backend = BackendKind::best(&capabilities);
        }
        identity.write(&state)?;
        Self::assemble(
            Layout::open(path, root, state)?,
            identity,
            capabilities,
            lock,
            options,
        )
    }

    /// The server that owns the storage at `path`. Nothing is locked or changed.
    ///
    /// Fails with [`Error::Missing`], [`Error::NotAStorage`] or [`Error::NewerFormat`].
    pub fn owner(path: &Path) -> Result<ServerId> {
        let not_ours = || Error::NotAStorage {
            path: path.to_owned(),
        };
        let root = Layout::open_root(path)?;
        let state = Layout::find_state(&root)?.ok_or_else(not_ours)?;
        Ok(Identity::read(&state, path)?.ok_or_else(not_ours)?.owner)
    }

    fn assemble(
        layout: Layout,
        identity: Identity,
        capabilities: cow_fs::Capabilities,
        lock: Lock,
        options: &OpenOptions,
    ) -> Result<Self> {
        let volume_format = match identity.backend {
            BackendKind::Hardlink => options.volume_format.unwrap_or(VolumeFormat::Qcow2),
            // Nothing costs less than shared extents, and no image stands on another.
            BackendKind::Btrfs | BackendKind::Reflink => VolumeFormat::Raw,
        };
        let measure = Measure::of(identity.backend, &layout.state)?;
        let ledger = Ledger::open(layout.ledger_path(), measure);
        let mut shared = Shared {
            backend: backend(identity.backend, options.compression),
            index: ContentIndex::open(layout.index_path())?,
            layout,
            identity,
            capabilities,
            pooling: options.pooling,
            volume_format,
            located: Located::default(),
            ledger,
            usage: Usage::default(),
            reaping: Mutex::new(()),
            noting_damage: Mutex::new(()),
            recovered: Recovery::default(),
            _lock: lock,
        };
        Item::release_abandoned(&shared.layout)?;
        published::remove_abandoned(&shared.layout)?;
        shared.recovered = shared.recover()?;
        ballast::take_in(&shared.layout.state);
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// Opens and locks what there is and reads whose it is.
fn unlock(path: &Path) -> Result<(Dir, Dir, Lock, Identity)> {
    let not_ours = || Error::NotAStorage {
        path: path.to_owned(),
    };
    let root = Layout::open_root(path)?;
    let state = Layout::find_state(&root)?.ok_or_else(not_ours)?;
    if crate::durable::find_file(&state, b"storage.toml")?.is_none() {
        return Err(not_ours());
    }
    let lock = Lock::take(&state, path)?;
    let identity = Identity::read(&state, path)?.ok_or_else(not_ours)?;
    Ok((root, state, lock, identity))
}

/// Finds out what the file system can do. On a full disk the ballast goes overboard first; it is taken in again when the
/// storage is open.
fn probe(path: &Path, state: &Dir) -> Result<cow_fs::Capabilities> {
    let attempt = || cow_fs::probe(&path.join(STATE)).during("probe", path);
    let capabilities = attempt()?;
    if !capabilities.has_untried() {
        return Ok(capabilities);
    }
    ballast::let_go(state)?;
    attempt()
}

/// Which backend is best can't be said before all have been tried.
fn refuse_untried(path: &Path, capabilities: &cow_fs::Capabilities) -> Result<()> {
    if capabilities.has_untried() {
        return Err(Errno::NOSPC).during("try out", path);
    }
    Ok(())
}

fn check_backend(path: &Path, backend: BackendKind, capabilities: &cow_fs::Capabilities) -> Result<()> {
    match backend.lacking(capabilities) {
        Some(reason) => Err(Error::Unsupported {
            path: path.to_owned(),
            backend,
            reason,
        }),
        None => Ok(()),
    }
}

/// Names the storage in an error about it.
fn at(error: Error, path: &Path) -> Error {
    match error {
        Error::ReadOnly { action, .. } => Error::ReadOnly {
            action,
            path: path.to_owned(),
        },
        error => error,
    }
}
