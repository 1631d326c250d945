//! Copying backups to another storage, such that what they share there is shared here too.
//!
//! A backup grows in the target from one of the same client, as it would have if it had come from the client: what both have is
//! taken over, large files that changed are patched block by block, and other content is looked up in the target's content index. So
//! the cost is about what the source holds, not what its backups show. All that is copied is proven by its hashes; the manifest is the
//! same in the end.
//!
//! **Damaged content** in the source does not stop a transfer. It is copied as it is, reported, and listed in the target
//! ([`damage`](crate::damage)): nothing that was there is lost, and nothing else is built on it. A file that the target has in a sound
//! version is sound there. An interrupted transfer is marked by its [`Origin`], so that no session of the client takes it for its own.
//!
//! Whatever follows a commit – the link `current`, pooling, counting sizes – is for the caller, as with any backup; only the content index
//! is told here, as the next transfer needs it.

mod content;
mod keep;
mod order;
mod origin;
pub(crate) mod salvage;
mod tree;
mod volumes;
mod wanted;

use manifest::{ContentHash, Reader};

use crate::error::{Error, Result};
use crate::image::{ImageIngest, VolumeFormat};
use crate::ingest::Committed;
use crate::monitor::{Monitor, Step};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::store::Store;
use crate::tree::BackupTree;

pub(crate) use origin::{Begun, Origin};

/// Assembles what is derived from the volumes of an image, with the source's image at hand.
pub type Derive<'a> = dyn Fn(&ImageIngest, &BackupTree) + 'a;

/// What is chosen for a transfer.
#[derive(Clone, Copy, Default)]
pub struct TransferOptions<'a> {
    /// What the volumes of an image are kept in, where there is a choice; `None` takes the target's own.
    pub volume_format: Option<VolumeFormat>,
    /// Called when all volumes of an image are in the growing tree, with the source's image: to assemble what is derived from them, since
    /// that is not copied.
    pub derive: Option<&'a Derive<'a>>,
    /// After so much content what has been copied of a file backup is made durable, so that it is kept over a power loss, and files and
    /// directories that are under way over any end of the process; `None` is 1 GiB.
    pub checkpoint_bytes: Option<u64>,
}

impl std::fmt::Debug for TransferOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransferOptions")
            .field("volume_format", &self.volume_format)
            .field("derives", &self.derive.is_some())
            .field("checkpoint_bytes", &self.checkpoint_bytes)
            .finish()
    }
}

/// What became of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transferred {
    /// The target has had the very backup already.
    AlreadyThere,
    /// It has been copied and committed.
    Copied(Box<Copied>),
}

/// A backup that has been copied to another storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What any commit tells.
    pub committed: Committed,
    /// The backup of the target that it grew from.
    pub base: Option<BackupName>,
    /// Bytes of content that were read in the source.
    pub read_bytes: u64,
    /// Paths within the backup of files and volumes that are damaged or missing, and are so in the target.
    pub damaged: Vec<Box<[u8]>>,
}

/// Copies a committed backup to another storage, where it will be a committed backup of the same client, name and manifest.
///
/// Can be called again after whatever end: it goes on, or begins the backup anew. The source is only read, and its backup can't be
/// deleted meanwhile. [`Monitor::copied`] hears of all content that is read, [`Monitor::problem`] of each damaged file
/// ([`Error::DamagedContent`]).
///
/// Fails with [`Error::OtherBackup`] if another backup has the name in the target, with [`Error::Busy`] if the client is being backed up there
/// or has an incomplete backup of its own, with [`Error::Full`], [`Error::Cancelled`] and [`Error::Manifest`]; then the target has no
/// more than an incomplete backup, which may be [discarded](Store::discard_incomplete).
pub fn transfer(
    from: &Store,
    to: &Store,
    client: &ClientName,
    name: &BackupName,
    options: &TransferOptions<'_>,
    monitor: &dyn Monitor,
) -> Result<Transferred> {
    let source = from.open_backup(client, name)?;
    let origin = Origin {
        name: name.clone(),
        digest: source.manifest().digest(),
    };
    if is_there(to, client, &origin)? {
        return Ok(Transferred::AlreadyThere);
    }
    monitor.step(&Step::Transferring {
        client: client.clone(),
        backup: name.clone(),
    });
    let route = Route {
        from,
        to,
        source: &source,
        origin: &origin,
        monitor,
    };
    let copied = match name.kind() {
        BackupKind::File => tree::copy(&route, options),
        BackupKind::Image => volumes::copy(&route, options),
    };
    let (committed, base, read_bytes) = match copied {
        // One that was sealed has been completed just now.
        Err(Error::BackupExists { .. }) if is_there(to, client, &origin)? => {
            return Ok(Transferred::AlreadyThere);
        }
        copied => copied?,
    };
    to.shared.index_backup(client, name, monitor)?;
    let damaged = to.shared.damaged(client, name)?;
    Ok(Transferred::Copied(Box::new(Copied {
        committed,
        base,
        read_bytes,
        damaged: damaged.iter().map(|(path, _)| path.into()).collect(),
    })))
}

/// What was committed, what it grew from, and how much was read.
type Done = (Committed, Option<BackupName>, u64);

/// From where to where.
#[derive(Clone, Copy)]
struct Route<'a> {
    from: &'a Store,
    to: &'a Store,
    source: &'a BackupTree,
    origin: &'a Origin,
    monitor: &'a dyn Monitor,
}

impl Route<'_> {
    fn client(&self) -> &ClientName {
        self.source.client()
    }

    fn manifest_error(&self) -> impl FnOnce(manifest::Error) -> Error {
        Error::manifest(crate::layout::manifest_path(self.client(), &self.origin.name))
    }

    fn check_cancelled(&self) -> Result<()> {
        if self.monitor.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    /// Tells of damage.
    fn report(&self, path: &[u8]) {
        self.monitor.problem(&Error::DamagedContent {
            client: self.client().clone(),
            backup: self.origin.name.clone(),
            path: crate::error::shown(path),
        });
    }

    /// Fails unless the new manifest lists what the source's says that it does.
    fn check_digest(&self, digest: ContentHash) -> Result<()> {
        if digest == self.origin.digest {
            return Ok(());
        }
        let path = crate::layout::manifest_path(self.client(), &self.origin.name);
        Err(Error::corrupt(path, "it does not list what its digest says"))
    }

    /// The backup of the target that shares most: the base where that is there, else the next older or newer one.
    fn base(&self) -> Result<Option<BackupName>> {
        let name = &self.origin.name;
        let mut there = self.to.backups(self.client())?;
        there.retain(|other| other.kind() == name.kind() && other != name);
        if let Some(base) = base_of(self.source.manifest()).filter(|base| there.contains(base)) {
            return Ok(Some(base));
        }
        let next_newer = there.partition_point(|other| other < name);
        let nearest = next_newer.checked_sub(1).unwrap_or(next_newer);
        Ok(there.into_iter().nth(nearest))
    }
}

/// Whether the target has the backup; another one of that name is [`Error::OtherBackup`].
fn is_there(to: &Store, client: &ClientName, origin: &Origin) -> Result<bool> {
    match to.open_manifest(client, &origin.name) {
        Err(Error::UnknownBackup { .. }) => Ok(false),
        Ok(manifest) if manifest.digest() == origin.digest => Ok(true),
        Ok(_) => Err(Error::OtherBackup {
            client: client.clone(),
            name: origin.name.clone(),
        }),
        Err(error) => Err(error),
    }
}

/// The backup that one grew from by its manifest.
fn base_of(manifest: &Reader) -> Option<BackupName> {
    manifest.header().base.as_ref()?.parse().ok()
}
