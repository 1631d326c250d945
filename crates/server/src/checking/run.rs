//! The work of a check: client by client, the oldest backup first, so that each is compared with the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::{Backup, BackupFilter, JobEnd, StorageId};
use policy::checks::{Checkable, due};
use serde_json::json;
use tracing::warn;
use wire::v1::log_line::Level;
use wire::v1::{LogLine, Problem};

use super::{Extent, Task, mend};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, finished};
use crate::telling::counted;
use crate::verify::{self, Reference};

/// What a check has done.
#[derive(Debug, Default)]
struct Tally {
    backups: u64,
    damaged_backups: u64,
    /// That could not be looked at.
    failed: u64,
    files: u64,
    shared_files: u64,
    read_bytes: u64,
    problems: Vec<Problem>,
    files_mended: u64,
    files_left: u64,
    is_cut_short: bool,
}

/// Does a check, blocking, and ends the job.
pub fn run(core: &Arc<Core>, job: &Arc<LiveJob>, task: &Task) {
    let mut tally = Tally::default();
    let done = core
        .board
        .begin(job)
        .and_then(|()| work(core, job, task, &mut tally));
    match done {
        Ok(()) => {
            let figures = json!({
                "backups": tally.backups,
                "backups_damaged": tally.damaged_backups,
                "backups_failed": tally.failed,
                "files": tally.files,
                "files_shared": tally.shared_files,
                "bytes_read": tally.read_bytes,
                "files_mended": tally.files_mended,
                "files_damaged": tally.files_left,
                "cut_short": tally.is_cut_short,
            });
            let message = message(&tally);
            core.board.end_with(
                job,
                JobEnd::Done,
                Some(&figures.to_string()),
                finished(message, tally.problems),
            );
        }
        Err(error) => core.board.fail(job, &error),
    }
}

fn message(tally: &Tally) -> String {
    let backups = counted(tally.backups, "backup", "backups");
    let mut text = format!("{backups} checked, {} damaged", tally.damaged_backups);
    if tally.files_mended > 0 {
        let files = counted(tally.files_mended, "file", "files");
        text.push_str(&format!(", {files} mended"));
    }
    if tally.is_cut_short {
        text.push_str("; it goes on when the window is open again");
    }
    text
}

fn work(core: &Arc<Core>, job: &Arc<LiveJob>, task: &Task, tally: &mut Tally) -> Result<()> {
    set_speed(core, job, task);
    for (client, backups) in wanted(core, task)? {
        if tally.is_cut_short {
            break;
        }
        check_client(core, job, task, backups, tally)?;
        mend_client(core, job, &client, tally)?;
        mend::fetch_again(core, job, &client)?;
    }
    if task.extent == Extent::NothingButMend {
        let mut clients: Vec<String> = core
            .catalog
            .damage(task.client.as_deref())?
            .into_iter()
            .map(|damage| damage.client)
            .collect();
        clients.dedup();
        for client in clients {
            mend_client(core, job, &client, tally)?;
        }
    }
    Ok(())
}

/// Puts right what can be, and checks again what should be whole by that.
fn mend_client(core: &Arc<Core>, job: &Arc<LiveJob>, client: &str, tally: &mut Tally) -> Result<()> {
    let mended = mend::mend_client(core, job, client)?;
    tally.files_mended += mended.mended;
    tally.files_left += mended.left;
    for backup in &mended.whole {
        check_backup(core, job, backup, None, tally)?;
    }
    Ok(())
}

/// A check by schedule reads no faster than the settings say; somebody who asked for one does not want to wait.
fn set_speed(core: &Core, job: &LiveJob, task: &Task) {
    if task.extent == Extent::DueInWindow {
        let rules = core.policies.server();
        let rate = rules.check_speed.at(core.clock.now_ms(), &core.clock.zone());
        job.pace.set_limit(rate.bytes_per_s);
    }
}

/// The backups that are to be checked, by client, the oldest first.
fn wanted(core: &Core, task: &Task) -> Result<BTreeMap<String, Vec<Backup>>> {
    let mut of_clients: BTreeMap<String, Vec<Backup>> = BTreeMap::new();
    if task.extent == Extent::NothingButMend {
        return Ok(of_clients);
    }
    let filter = BackupFilter {
        client: task.client.clone(),
        storage: task.storage,
        ..BackupFilter::committed()
    };
    for backup in core.catalog.backups(&filter)? {
        of_clients.entry(backup.client.clone()).or_default().push(backup);
    }
    if task.extent != Extent::Everything {
        for (client, backups) in &mut of_clients {
            *backups = due_of(core, client, std::mem::take(backups));
        }
        of_clients.retain(|_, backups| !backups.is_empty());
    }
    Ok(of_clients)
}

fn due_of(core: &Core, client: &str, backups: Vec<Backup>) -> Vec<Backup> {
    let Some(interval) = core.policies.of(client).check_interval else {
        return Vec::new();
    };
    let checkable = backups.into_iter().map(|backup| Checkable {
        sound_ms: backup
            .verification
            .map_or(backup.finished_ms, |verification| verification.at_ms),
        key: backup,
    });
    due(checkable.collect(), interval, core.clock.now_ms())
}

fn check_client(
    core: &Arc<Core>,
    job: &Arc<LiveJob>,
    task: &Task,
    backups: Vec<Backup>,
    tally: &mut Tally,
) -> Result<()> {
    // Files and volumes of a client have nothing in common, nor what lies in different storages.
    let mut references: BTreeMap<(StorageId, &str), Reference> = BTreeMap::new();
    for backup in &backups {
        if job.cancel.is_cancelled() || core.shutdown.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if task.extent == Extent::DueInWindow && !is_window_open(core) {
            tally.is_cut_short = true;
            return Ok(());
        }
        set_speed(core, job, task);
        let line = (backup.storage, backup.kind.as_str());
        match check_backup(core, job, backup, references.remove(&line).as_ref(), tally) {
            Ok(Some(reference)) => drop(references.insert(line, reference)),
            Ok(None) => {}
            Err(Error::Cancelled) => return Err(Error::Cancelled),
            Err(error) => {
                // It was deleted meanwhile, or its storage is not there.
                tally.failed += 1;
                let named = format!("{}/{}", backup.client, backup.name);
                warn!(
                    backup = named,
                    error = error.chain(),
                    "a backup could not be checked"
                );
                say(
                    job,
                    Level::Warning,
                    format!("{named} could not be checked: {}", error.chain()),
                );
            }
        }
    }
    Ok(())
}

fn is_window_open(core: &Core) -> bool {
    let window = &core.policies.server().check_window;
    window.contains(core.clock.now_ms(), &core.clock.zone())
}

/// Checks one backup, and notes what was found. Returns it as a reference for the next.
fn check_backup(
    core: &Arc<Core>,
    job: &Arc<LiveJob>,
    backup: &Backup,
    reference: Option<&Reference>,
    tally: &mut Tally,
) -> Result<Option<Reference>> {
    let tree = core.open_backup(backup)?;
    let checked = verify::check(job, &tree, reference)?;
    verify::note(core, backup, &checked.problems);
    tally.backups += 1;
    tally.damaged_backups += u64::from(!checked.problems.is_empty());
    tally.files += checked.files;
    tally.shared_files += checked.shared_files;
    tally.read_bytes += checked.read_bytes;
    let named = format!("{}/{}", backup.client, backup.name);
    let files = |number: u64| match number {
        1 => "1 file".to_owned(),
        number => format!("{number} files"),
    };
    match checked.problems.len() {
        0 => say(
            job,
            Level::Info,
            format!(
                "{named} is sound: {}, {} of them the same data as in the backup before; {} bytes were read",
                files(checked.files),
                checked.shared_files,
                checked.read_bytes
            ),
        ),
        damaged => say(
            job,
            Level::Error,
            format!("{named} is damaged: {}", files(damaged as u64)),
        ),
    }
    for problem in &checked.problems {
        let path = String::from_utf8_lossy(&problem.path);
        say(job, Level::Error, format!("{named}: {path}: {}", problem.message));
        tally.problems.push(Problem {
            message: format!("in {named}: {}", problem.message),
            ..problem.clone()
        });
    }
    let known = Reference::of(&backup.name, &checked, tree);
    Ok(known)
}

/// Adds a line to the log of a check.
pub fn say(job: &LiveJob, level: Level, text: String) {
    job.log(LogLine {
        level: level.into(),
        text,
    });
}
