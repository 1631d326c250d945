//! The metrics and where their values come from.

use std::collections::BTreeMap;

use catalog::{Backup, BackupState, ClientState, JobKind, JobState, MessageState};
use policy::alert::Copying;
use policy::standing::Standing;
use tracing::error;

use super::exposition::{Exposition, Family, Kind};
use storage::Space;

use crate::core::Core;
use crate::error::Result;
use crate::telling::stands::{self, Stand};
use crate::{safety, schedule};

/// Reads everything there is to measure, blocking.
pub fn gather(core: &Core) -> Result<String> {
    let mut text = Exposition::default();
    server(core, &mut text);
    storage(core, &mut text)?;
    clients(core, &mut text)?;
    standings(core, &mut text)?;
    last_backups(&core.catalog.newest_backups(None)?, &mut text);
    backups(core, &mut text)?;
    jobs(core, &mut text);
    outbox(core, &mut text)?;
    Ok(text.finish())
}

fn server(core: &Core, text: &mut Exposition) {
    text.family(
        "perennial_build_info",
        Kind::Gauge,
        "The version that runs, as a label.",
    )
    .count(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family(
        "perennial_start_time_seconds",
        Kind::Gauge,
        "When the server was started, in seconds since 1970.",
    )
    .seconds(&[], core.started_ms);
}

fn storage(core: &Core, text: &mut Exposition) -> Result<()> {
    let mut spaces = Vec::new();
    for storage in core.storages.all() {
        // One that can't be asked now is no reason to tell nothing of the others.
        if let Ok(space) = storage.store.space() {
            spaces.push((storage.name(), space));
        }
    }
    let mut each = |name, help, value: &dyn Fn(&Space) -> Option<u64>| {
        let mut family = text.family(name, Kind::Gauge, help);
        for (storage, space) in &spaces {
            if let Some(value) = value(space) {
                family.count(&[("storage", storage)], value);
            }
        }
    };
    each(
        "perennial_storage_size_bytes",
        "The size of the storage's file system.",
        &|space| Some(space.total_bytes),
    );
    each(
        "perennial_storage_free_bytes",
        "What the server may still use of it.",
        &|space| Some(space.free_bytes),
    );
    each(
        "perennial_storage_free_inodes",
        "Files that may still be made there.",
        &|space| space.free_inodes,
    );
    let mut family = text.family(
        "perennial_storage_up",
        Kind::Gauge,
        "1 for a storage that is open, 0 for one that is not there.",
    );
    for storage in core.storages.all() {
        family.count(&[("storage", &storage.name())], 1);
    }
    for (_, absent) in core.storages.absent() {
        family.count(&[("storage", &absent.name)], 0);
    }
    let catalog_bytes = std::fs::metadata(core.catalog.path()).map_or(0, |found| found.len());
    text.family(
        "perennial_catalog_size_bytes",
        Kind::Gauge,
        "The size of the catalog.",
    )
    .count(&[], catalog_bytes);
    catalog_copies(core, text);
    Ok(())
}

fn catalog_copies(core: &Core, text: &mut Exposition) {
    let copies = match safety::copies_state(core) {
        Ok(state) => state.copies,
        Err(failed) => {
            error!(
                error = failed.chain(),
                "the copies of the catalog could not be looked at"
            );
            return;
        }
    };
    if copies.copying == Copying::Nightly {
        text.family(
            "perennial_catalog_copy_timestamp_seconds",
            Kind::Gauge,
            "When the newest copy of the catalog was made, in seconds since 1970; 0 if there is none.",
        )
        .seconds(&[], copies.newest_ms.unwrap_or(0));
    }
}

fn clients(core: &Core, text: &mut Exposition) -> Result<()> {
    let clients = core.catalog.clients()?;
    let mut family = text.family(
        "perennial_clients",
        Kind::Gauge,
        "Clients, by whether they may connect.",
    );
    for state in ClientState::ALL {
        let of_state = clients.iter().filter(|overview| overview.client.state == *state);
        family.count(&[("state", state.as_str())], of_state.count() as u64);
    }
    let mut family = text.family(
        "perennial_client_connected",
        Kind::Gauge,
        "1 while the client is connected.",
    );
    for overview in &clients {
        let name = overview.client.name.as_str();
        family.count(&[("client", name)], u64::from(core.attached.get(name).is_ok()));
    }
    let help = "When the client was connected last, in seconds since 1970.";
    let mut family = text.family("perennial_client_last_seen_timestamp_seconds", Kind::Gauge, help);
    for overview in &clients {
        if let Some(seen_ms) = overview.client.last_seen_ms {
            family.seconds(&[("client", &overview.client.name)], seen_ms);
        }
    }
    Ok(())
}

fn standings(core: &Core, text: &mut Exposition) -> Result<()> {
    let stands = stands::all(core)?;
    let help = "1 for how the client stands with a kind of backups: fine, late, failing, never or off; 0 for the others.";
    let mut family = text.family("perennial_client_standing", Kind::Gauge, help);
    let all = [
        Standing::Fine,
        Standing::Late,
        Standing::Failing,
        Standing::Never,
        Standing::Off,
    ];
    for Stand {
        client,
        target,
        standing,
        ..
    } in &*stands
    {
        for word in all {
            let labels = [
                ("client", client.as_str()),
                ("kind", schedule::backup_kind(*target).as_str()),
                ("standing", &word.to_string()),
            ];
            family.count(&labels, u64::from(word == *standing));
        }
    }
    let help = "Tries to back up that have failed since the last one that did not.";
    let mut family = text.family("perennial_client_failures", Kind::Gauge, help);
    for stand in &*stands {
        let labels = [
            ("client", stand.client.as_str()),
            ("kind", schedule::backup_kind(stand.target).as_str()),
        ];
        family.count(&labels, stand.failures.into());
    }
    Ok(())
}

/// Adds a backup's sample.
type Add<'a> = &'a dyn Fn(&mut Family<'_>, &[(&str, &str)], &Backup);

fn last_backups(newest: &[Backup], text: &mut Exposition) {
    let mut each = |name, help, add: Add<'_>| {
        let mut family = text.family(name, Kind::Gauge, help);
        for backup in newest {
            let labels = [("client", backup.client.as_str()), ("kind", backup.kind.as_str())];
            add(&mut family, &labels, backup);
        }
    };
    each(
        "perennial_backup_last_start_timestamp_seconds",
        "When the newest backup began, in seconds since 1970.",
        &|family, labels, backup| {
            family.seconds(labels, backup.started_ms);
        },
    );
    each(
        "perennial_backup_last_end_timestamp_seconds",
        "When the newest backup was complete, in seconds since 1970.",
        &|family, labels, backup| {
            family.seconds(labels, backup.finished_ms);
        },
    );
    each(
        "perennial_backup_last_duration_seconds",
        "How long the newest backup took.",
        &|family, labels, backup| {
            family.seconds(labels, backup.finished_ms - backup.started_ms);
        },
    );
    each(
        "perennial_backup_last_size_bytes",
        "What a restore of the newest backup writes.",
        &|family, labels, backup| {
            family.count(labels, backup.figures.bytes_logical);
        },
    );
    each(
        "perennial_backup_last_transferred_bytes",
        "What came over the network for the newest backup.",
        &|family, labels, backup| {
            family.count(labels, backup.figures.bytes_transferred);
        },
    );
    each(
        "perennial_backup_last_files",
        "Files in the newest backup, directories not counted.",
        &|family, labels, backup| {
            family.count(labels, backup.figures.files);
        },
    );
    each(
        "perennial_backup_last_problems",
        "What could not be backed up in the newest backup.",
        &|family, labels, backup| {
            family.count(labels, backup.problem_count);
        },
    );
}

fn backups(core: &Core, text: &mut Exposition) -> Result<()> {
    let counts = core.catalog.backup_counts()?;
    let mut in_state = |name, help, state| {
        let mut family = text.family(name, Kind::Gauge, help);
        for of in counts.iter().filter(|of| of.state == state) {
            family.count(&[("client", &of.client), ("kind", of.kind.as_str())], of.count);
        }
    };
    in_state(
        "perennial_backups",
        "Backups that can be restored.",
        BackupState::Committed,
    );
    let help = "Deleted backups: in the trash, or on their way out of it.";
    in_state("perennial_backups_deleted", help, BackupState::Deleting);
    let mut damaged: BTreeMap<String, u64> = BTreeMap::new();
    for backup in core.catalog.damaged_backups()? {
        *damaged.entry(backup.client).or_default() += 1;
    }
    let help = "Backups whose last verification failed; of clients that have any.";
    let mut family = text.family("perennial_backups_damaged", Kind::Gauge, help);
    for (client, count) in &damaged {
        family.count(&[("client", client)], *count);
    }
    Ok(())
}

fn jobs(core: &Core, text: &mut Exposition) {
    let live = core.board.all();
    let mut family = text.family(
        "perennial_jobs",
        Kind::Gauge,
        "Jobs that wait for their turn or are at work.",
    );
    for kind in JobKind::ALL {
        for state in [JobState::Queued, JobState::Running] {
            let is_running = state == JobState::Running;
            let of_kind = live
                .iter()
                .filter(|job| job.kind == *kind && job.has_begun() == is_running);
            family.count(
                &[("kind", kind.as_str()), ("state", state.as_str())],
                of_kind.count() as u64,
            );
        }
    }
    let tally = core.board.tally();
    let help = "Jobs that have ended since the server was started, by how they did.";
    let mut family = text.family("perennial_jobs_ended_total", Kind::Counter, help);
    let ends = [
        JobState::Done,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Interrupted,
    ];
    for kind in JobKind::ALL {
        for end in ends {
            let count = tally.get(&(*kind, end)).copied().unwrap_or_default();
            family.count(&[("kind", kind.as_str()), ("outcome", end.as_str())], count);
        }
    }
}

fn outbox(core: &Core, text: &mut Exposition) -> Result<()> {
    let help = "Messages on their way, and those of late that have arrived or were given up.";
    let mut family = text.family("perennial_outbox_messages", Kind::Gauge, help);
    for state in MessageState::ALL {
        let count = core.catalog.count_messages(*state)?;
        family.count(&[("state", state.as_str())], count);
    }
    Ok(())
}
