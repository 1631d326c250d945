//! Putting damaged content right: from another place that has it, in this storage or in another one. What is nowhere is doubted, so that the
//! client's next backup brings it anew.

use std::sync::Arc;

use catalog::{Backup, BackupFilter, BackupKind, Damage, JobKind};
use policy::settings::Mending;
use storage::{BackupName, ClientName, Monitor, Replacement, Store};
use wire::v1::log_line::Level;

use super::run::say;
use crate::core::{Core, with_patience};
use crate::error::{Error, Result};
use crate::jobs::LiveJob;
use crate::schedule;

/// What became of damaged files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Put right.
    pub mended: u64,
    /// Still damaged.
    pub left: u64,
    /// Backups of which nothing is known to be damaged any more.
    pub whole: Vec<Backup>,
}

/// Puts right what is damaged of a client's backups. What is known to be damaged is not built upon, also where it is not put right.
pub fn mend_client(core: &Arc<Core>, job: &LiveJob, client: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let is_on = core.policies.of(client).mend == Mending::On;
    for damage in core.catalog.damage(Some(client))? {
        if job.cancel.is_cancelled() || core.shutdown.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let named = format!(
            "{}/{}: {}",
            damage.client,
            damage.name,
            String::from_utf8_lossy(&damage.path)
        );
        let mended = match is_on {
            true => mend(core, job, &damage),
            false => doubt(core, &damage).map(|()| None),
        };
        match mended {
            Ok(Some(from)) => {
                say(job, Level::Info, format!("{named} is put right, {from}"));
                tally.mended += 1;
                if core.catalog.forget_damage(damage.backup, &damage.path)? {
                    tally
                        .whole
                        .push(core.catalog.backup(&damage.client, &damage.name)?);
                }
            }
            Ok(None) => tally.left += 1,
            Err(error) => {
                say(
                    job,
                    Level::Warning,
                    format!("{named} can't be put right: {}", error.chain()),
                );
                tally.left += 1;
            }
        }
    }
    Ok(tally)
}

/// Has the client make a backup, if the one that it grows from has damage and the client is there: it sends anew what is doubted.
pub fn fetch_again(core: &Arc<Core>, job: &LiveJob, client: &str) -> Result<()> {
    let newest = core.catalog.newest_backup(&BackupFilter {
        kind: Some(BackupKind::File),
        ..BackupFilter::committed_of(client)
    })?;
    let damage = core.catalog.damage(Some(client))?;
    let has_damage = newest.is_some_and(|newest| damage.iter().any(|damage| damage.backup == newest.id));
    let is_possible = core.policies.of(client).mend == Mending::On
        && core.attached.contains(client)
        && core.board.live_of(JobKind::FileBackup, client).is_none();
    if !has_damage || !is_possible {
        return Ok(());
    }
    let reason = "what is damaged is to be fetched again";
    let wanted = schedule::Wanted::Files;
    let asked = schedule::ask(core, client, catalog::BackupMode::Incremental, wanted, reason)?;
    say(
        job,
        Level::Info,
        format!("{client} is asked for what is damaged, by job {}", asked.id),
    );
    Ok(())
}

/// Lets nothing be built on a damaged file from now on.
fn doubt(core: &Core, damage: &Damage) -> Result<()> {
    let backup = core.catalog.backup(&damage.client, &damage.name)?;
    let storage = core.storages.of(&backup)?;
    let (client, name): (ClientName, BackupName) = (damage.client.parse()?, damage.name.parse()?);
    match storage.store.note_damaged(&client, &name, &damage.path) {
        // A directory that is missing has no content of its own.
        Err(storage::Error::NotInBackup { .. }) => Ok(()),
        noted => Ok(noted?),
    }
}

/// Puts one file right. Returns where its content came from; `None` if it is to be had nowhere.
fn mend(core: &Core, job: &LiveJob, damage: &Damage) -> Result<Option<String>> {
    doubt(core, damage)?;
    let backup = core.catalog.backup(&damage.client, &damage.name)?;
    let storage = core.storages.of(&backup)?;
    let (client, name): (ClientName, BackupName) = (damage.client.parse()?, damage.name.parse()?);
    let of = (&client, &name, damage.path.as_slice());
    if backup.kind == BackupKind::Image {
        match mend_volume(&storage.store, of, job) {
            Err(Error::Storage(storage::Error::InvalidEntry { .. })) => {}
            mended => return mended,
        }
    }
    for location in storage.store.find_identical(&client, &name, &damage.path)? {
        let replacement = Replacement::At(&location);
        if is_mended(with_patience(|| {
            storage.store.mend(of.0, of.1, of.2, replacement)
        }))? {
            let path = String::from_utf8_lossy(&location.path).into_owned();
            return Ok(Some(format!(
                "from {}/{}: {path}",
                location.client, location.backup
            )));
        }
    }
    mend_from_elsewhere(core, &storage.store, of, storage.id)
}

/// The backup, and the path in it.
type File<'a> = (&'a ClientName, &'a BackupName, &'a [u8]);

/// Looks into the other storages.
fn mend_from_elsewhere(
    core: &Core,
    store: &Store,
    (client, name, path): File<'_>,
    own: catalog::StorageId,
) -> Result<Option<String>> {
    let entry = store.open_manifest(client, name)?.lookup(path)?;
    let Some((size, hash)) = entry.and_then(|entry| Some((entry.size(), entry.hash()?))) else {
        return Ok(None);
    };
    for other in core.storages.all().iter().filter(|other| other.id != own) {
        let Some(location) = other.store.index().lookup(hash, size) else {
            continue;
        };
        let opened = other
            .store
            .open_backup(&location.client, &location.backup)
            .and_then(|tree| tree.open_file(&location.path));
        let Ok(file) = opened else { continue };
        if is_mended(with_patience(|| {
            store.mend(client, name, path, Replacement::File(&file))
        }))? {
            return Ok(Some(format!("from {} in {}", location.client, other.name())));
        }
    }
    Ok(None)
}

/// Content that turns out to be other than it should is one place less, and no failure.
fn is_mended(tried: Result<()>) -> Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(Error::Storage(storage::Error::WrongContent { .. } | storage::Error::UnknownBackup { .. })) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn mend_volume(store: &Store, (client, name, path): File<'_>, job: &LiveJob) -> Result<Option<String>> {
    let mended = with_patience(|| store.mend_volume(client, name, path, &UntilCancelled(job)))?;
    Ok(mended
        .left_blocks
        .is_empty()
        .then(|| format!("{} blocks from other images", mended.mended_blocks)))
}

struct UntilCancelled<'a>(&'a LiveJob);

impl Monitor for UntilCancelled<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }
}
