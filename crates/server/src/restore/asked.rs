//! Restores that somebody asks a client for.
//!
//! ```text
//! queued ─▶ the client is connected and is told ─▶ its user confirms ─▶ running ─▶ the client says how it ended
//! ```
//! A client that comes back is told again, and answers how it stands; so neither a lost connection nor a client that
//! starts anew loses a restore. What is restored, and to where, is decided by the client in the end.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::{Backup, BackupKind, JobEnd, JobKind};
use parking_lot::Mutex;
use serde_json::json;
use wire::v1::job_update::Update;
use wire::v1::server_command::Command;
use wire::v1::{Existing, RestoreItem, Restored, StartRestore};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order, finished};

/// A restore that the client has not finished in this time is given up.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
/// What it waits for, in words.
const FOR_CLIENT: &str = "the client to be connected";
const FOR_USER: &str = "somebody to confirm it at the client";

/// The restores that clients are asked for, by their jobs.
#[derive(Default)]
pub struct AskedRestores {
    commands: Mutex<HashMap<u64, StartRestore>>,
}

/// What is to be restored, and to where.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Files and directories of the backup; none for all of it.
    pub paths: Vec<Vec<u8>>,
    /// A directory of the client; `None` for where they came from.
    pub target: Option<String>,
    /// What happens with what is in the way.
    pub existing: Existing,
}

/// Asks the client that a backup is from to restore some of it, blocking. Returns the job.
pub fn ask(core: &Arc<Core>, backup: &Backup, wish: &Wish, who: &str) -> Result<Arc<LiveJob>> {
    if backup.kind == BackupKind::Image {
        return Err(Error::Invalid {
            why: format!(
                "{}/{} is an image: its disks are restored with \"perennial restore-disk\"",
                backup.client, backup.name
            ),
        });
    }
    let items = items(core, backup, wish)?;
    let job = core.board.queue(Order {
        subject: Some(backup.name.clone()),
        reason: Some(format!("{who} asked for it")),
        ..Order::of(JobKind::Restore, &backup.client)
    })?;
    let job_id = job.id.0 as u64;
    let command = StartRestore {
        job_id,
        backup: backup.name.clone(),
        items,
        existing: wish.existing.into(),
        asked_by: who.to_owned(),
    };
    core.asked_restores.commands.lock().insert(job_id, command);
    core.runtime.spawn(give_up(core.clone(), job.clone()));
    tell(core, &job);
    Ok(job)
}

/// Tells a client that is there now what it is asked for.
pub fn tell_again(core: &Arc<Core>, client: &str) {
    for job in of_client(core, client) {
        tell(core, &job);
    }
}

/// Notes that a client is gone: what it was asked for waits for it.
pub fn wait_for(core: &Core, client: &str) {
    for job in of_client(core, client) {
        job.waits_for(Some(FOR_CLIENT.to_owned()));
    }
}

/// Takes what a client says of a restore that it was asked for.
pub fn take(core: &Arc<Core>, job: &LiveJob, update: Update) {
    match update {
        Update::AwaitsConfirmation(_) => job.waits_for(Some(FOR_USER.to_owned())),
        Update::Progress(progress) => {
            job.waits_for(None);
            if begin(core, job) {
                job.progress(progress);
            }
        }
        Update::Log(line) => job.log(line),
        Update::Failed(why) => core.board.fail(job, &Error::Client { why }),
        Update::Restored(restored) => end(core, job, restored),
    }
}

/// Begins the job, unless it has begun; where that fails, so does the job. Returns whether it goes on.
fn begin(core: &Arc<Core>, job: &LiveJob) -> bool {
    job.has_begun() || core.board.begin_with(job, || Ok(())).is_ok()
}

fn end(core: &Arc<Core>, job: &LiveJob, restored: Restored) {
    // A client that did all of it while the server was away has told of no beginning.
    if !begin(core, job) {
        return;
    }
    let figures = json!({
        "files_written": restored.files_written,
        "files_kept": restored.files_kept,
        "skipped": restored.skipped,
        "bytes_fetched": restored.bytes_fetched,
        "problems": restored.problem_count,
    });
    let message = summary(&restored);
    for problem in &restored.problems {
        job.log(wire::v1::LogLine {
            level: wire::v1::log_line::Level::Warning.into(),
            text: format!("{}: {}", String::from_utf8_lossy(&problem.path), problem.message),
        });
    }
    let done = finished(message, restored.problems);
    core.board
        .end_with(job, JobEnd::Done, Some(&figures.to_string()), done);
}

fn summary(restored: &Restored) -> String {
    let files = |count: u64| match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let mut text = format!("{} restored", files(restored.files_written));
    if restored.files_kept > 0 {
        text += &format!("; {} right already", files(restored.files_kept));
    }
    if restored.skipped > 0 {
        text += &format!("; {} left out, since something else is there", restored.skipped);
    }
    match restored.problem_count {
        0 => {}
        1 => text += "; 1 problem",
        count => text += &format!("; {count} problems"),
    }
    text
}

/// What is restored to where: to where it came from by what the backup says of its sources, or into one directory.
fn items(core: &Core, backup: &Backup, wish: &Wish) -> Result<Vec<RestoreItem>> {
    let tree = core.open_backup(backup)?;
    let manifest = tree.manifest();
    let invalid = |why: String| Error::Invalid { why };
    if let Some(target) = &wish.target {
        let is_plain = Path::new(target)
            .components()
            .all(|component| !matches!(component, std::path::Component::ParentDir));
        if !target.starts_with('/') || !is_plain || target.contains('\0') {
            return Err(invalid(format!(
                "{target:?} is not the absolute path of a directory"
            )));
        }
    }
    let sources = &manifest.header().sources;
    let mut paths: Vec<&[u8]> = wish
        .paths
        .iter()
        .map(|path| path.strip_suffix(b"/").unwrap_or(path))
        .collect();
    if paths.is_empty() || paths.contains(&&b""[..]) {
        if let Some(target) = &wish.target {
            return Ok(vec![RestoreItem {
                path: Vec::new(),
                target: target.clone().into_bytes(),
            }]);
        }
        let directories = sources.iter().filter(|source| !source.is_streamed());
        paths = directories.map(|source| &*source.name).collect();
        if paths.is_empty() {
            return Err(invalid(
                "all of this backup is the output of commands: say to which directory it goes".to_owned(),
            ));
        }
    }
    paths.sort_unstable();
    paths.dedup();
    // What lies in a directory that is restored comes with it.
    let covered = |path: &[u8], by: &[u8]| path != by && manifest::is_beneath(path, by);
    let apart = paths
        .iter()
        .filter(|path| !paths.iter().any(|by| covered(path, by)));
    let mut items = Vec::new();
    for path in apart {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let entry = manifest.lookup(path)?.ok_or_else(|| Error::NotFound {
            what: "path",
            name: shown(),
        })?;
        let (directory, name) = manifest::split_path(path).unwrap_or((b"", path));
        let target = match &wish.target {
            Some(target) if entry.is_directory() => join(target.as_bytes(), name),
            Some(target) => target.clone().into_bytes(),
            None => {
                let at = if entry.is_directory() { path } else { directory };
                original(sources, at).ok_or_else(|| {
                    invalid(format!(
                        "{:?} does not come from a directory of the client: say to which one it goes",
                        shown()
                    ))
                })?
            }
        };
        items.push(RestoreItem {
            path: path.to_vec(),
            target,
        });
    }
    Ok(items)
}

/// Where a directory of a backup came from.
fn original(sources: &[manifest::Source], path: &[u8]) -> Option<Vec<u8>> {
    let source = sources
        .iter()
        .filter(|source| !source.is_streamed() && manifest::is_beneath(path, &source.name))
        .max_by_key(|source| source.name.len())?;
    let within = path.get(source.name.len() + 1..).unwrap_or_default();
    let is_absolute = Path::new(std::ffi::OsStr::from_bytes(&source.path)).is_absolute();
    is_absolute.then(|| match within {
        b"" => source.path.to_vec(),
        within => join(&source.path, within),
    })
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    [directory, b"/", name].concat()
}

fn of_client(core: &Core, client: &str) -> Vec<Arc<LiveJob>> {
    let commands = core.asked_restores.commands.lock();
    let jobs = commands.keys().filter_map(|job_id| core.board.live(*job_id));
    jobs.filter(|job| job.client == client && !job.is_over())
        .collect()
}

/// Tells the client what it is asked for, if it is there and knows of such a thing.
fn tell(core: &Arc<Core>, job: &LiveJob) {
    let Ok(attachment) = core.attached.get(&job.client) else {
        job.waits_for(Some(FOR_CLIENT.to_owned()));
        return;
    };
    if !attachment.takes_restores() {
        let why = "its version of Perennial is too old to be asked for a restore: update it, or restore there with \
                   \"perennial restore\""
            .to_owned();
        core.board.fail(job, &Error::Client { why });
        return;
    }
    let command = core
        .asked_restores
        .commands
        .lock()
        .get(&(job.id.0 as u64))
        .cloned();
    if let Some(command) = command
        && attachment.command(Command::StartRestore(command)).is_err()
    {
        // It is told when it comes again.
        job.waits_for(Some(FOR_CLIENT.to_owned()));
    }
}

/// Ends the job when somebody cancels it or its time is over, and forgets what was asked once it has ended.
async fn give_up(core: Arc<Core>, job: Arc<LiveJob>) {
    let mut watch = job.watch();
    let ended = async {
        // The sender lives as long as the job.
        let _ = watch.wait_for(|snapshot| snapshot.done.is_some()).await;
    };
    let why = tokio::select! {
        () = ended => None,
        () = job.cancel.cancelled() => Some(Error::Cancelled),
        () = core.shutdown.cancelled() => None,
        () = tokio::time::sleep(PATIENCE) => Some(Error::Client {
            why: "the restore was neither confirmed nor done in a week".to_owned(),
        }),
    };
    core.asked_restores.commands.lock().remove(&(job.id.0 as u64));
    if let Some(why) = why {
        core.board.fail(&job, &why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, path: &str) -> manifest::Source {
        manifest::Source {
            name: name.as_bytes().into(),
            path: path.as_bytes().into(),
            consistency: "live".into(),
        }
    }

    #[test]
    fn what_was_backed_up_goes_back_to_where_it_came_from() {
        let sources = [source("home", "/home"), source("root", "/")];
        let original = |path: &str| {
            original(&sources, path.as_bytes()).map(|path| String::from_utf8(path).expect("it is text"))
        };
        assert_eq!(original("home").as_deref(), Some("/home"));
        assert_eq!(original("home/anna/docs").as_deref(), Some("/home/anna/docs"));
        assert_eq!(original("root/etc").as_deref(), Some("/etc"));
        assert_eq!(original("root").as_deref(), Some("/"));
        assert_eq!(original("other/x"), None);
    }

    #[test]
    fn the_summary_says_what_was_not_done() {
        let restored = Restored {
            files_written: 1,
            files_kept: 3,
            skipped: 2,
            problem_count: 1,
            ..Restored::default()
        };
        assert_eq!(
            summary(&restored),
            "1 file restored; 3 files right already; 2 left out, since something else is there; 1 problem"
        );
        assert_eq!(summary(&Restored::default()), "0 files restored");
    }
}
