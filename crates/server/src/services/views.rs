//! The catalog's and the manifest's records as messages.

use catalog::{ArchivedUntil, ClientOverview};
use manifest::{Entry, Kind};
use policy::alert::What;
use wire::v1::{
    BackupInfo, BackupMode, ClientInfo, EntryView, JobDone, JobInfo, Problem, Standing, Trouble, job_done,
};

use crate::core::Core;
use crate::telling::{Subject, Watched};

/// What a backup is to trust, as it is asked for; nothing said is an incremental one.
pub fn mode(mode: BackupMode) -> catalog::BackupMode {
    match mode {
        BackupMode::Full => catalog::BackupMode::Full,
        BackupMode::Incremental | BackupMode::Unspecified => catalog::BackupMode::Incremental,
    }
}

/// A mode as a message has it.
pub fn wire_mode(mode: catalog::BackupMode) -> BackupMode {
    match mode {
        catalog::BackupMode::Full => BackupMode::Full,
        catalog::BackupMode::Incremental => BackupMode::Incremental,
    }
}

/// A problem as the catalog keeps it.
pub fn kept_problem(problem: &Problem) -> catalog::Problem {
    catalog::Problem {
        path: problem.path.clone(),
        kind: problem.kind.clone(),
        message: problem.message.clone(),
    }
}

/// What is known to be damaged, as a problem.
pub fn damage_problem(damage: &catalog::Damage) -> Problem {
    Problem {
        path: damage.path.clone(),
        kind: damage.kind.clone(),
        message: damage.message.clone(),
    }
}

/// How a job that is over ended.
pub fn job_done(job: &catalog::Job) -> JobDone {
    let outcome = match job.state {
        catalog::JobState::Done => job_done::Outcome::Finished,
        catalog::JobState::Cancelled => job_done::Outcome::Cancelled,
        _ => job_done::Outcome::Failed,
    };
    JobDone {
        outcome: outcome.into(),
        message: job.error.clone().unwrap_or_default(),
        ..JobDone::default()
    }
}

/// A backup's record.
pub fn backup_info(backup: &catalog::Backup) -> BackupInfo {
    BackupInfo {
        client: backup.client.clone(),
        name: backup.name.clone(),
        kind: backup.kind.to_string(),
        mode: wire_mode(backup.mode).into(),
        outcome: backup.outcome.to_string(),
        started_ms: backup.started_ms,
        finished_ms: backup.finished_ms,
        files: backup.figures.files,
        directories: backup.figures.directories,
        bytes_logical: backup.figures.bytes_logical,
        bytes_transferred: backup.figures.bytes_transferred,
        problems: backup.problem_count,
        base: backup.base.clone().unwrap_or_default(),
        digest: backup.digest.to_vec(),
        archived_until_ms: match backup.archived.as_ref().map(|archived| archived.until) {
            Some(ArchivedUntil::Forever) => i64::MAX,
            Some(ArchivedUntil::Time { at_ms }) => at_ms,
            None => 0,
        },
        archived_by: backup
            .archived
            .as_ref()
            .map(|archived| archived.by.clone())
            .unwrap_or_default(),
        held_for: backup.held_for.clone().unwrap_or_default(),
        verified: backup
            .verification
            .map(|verification| verification.found.to_string())
            .unwrap_or_default(),
        verified_ms: backup.verification.map_or(0, |verification| verification.at_ms),
    }
}

/// A client's record, and how its backups stand.
pub fn client_info(core: &Core, overview: ClientOverview, standings: Vec<Standing>) -> ClientInfo {
    let ClientOverview { client, .. } = overview;
    let keep = core.policies.server().removed_keep;
    ClientInfo {
        connected: core.attached.contains(&client.name),
        standings,
        name: client.name,
        display_name: client.display_name.unwrap_or_default(),
        state: client.state.to_string(),
        enrolled_ms: client.enrolled_ms.unwrap_or_default(),
        last_seen_ms: client.last_seen_ms.unwrap_or_default(),
        operating_system: client.operating_system,
        version: client.version,
        backups: overview.backups,
        newest: overview.newest.unwrap_or_default(),
        newest_ms: overview.newest_ms.unwrap_or_default(),
        group: overview.group.unwrap_or_default(),
        paused_until_ms: client.paused_until_ms.unwrap_or_default(),
        disabled_ms: client.disabled_ms.unwrap_or_default(),
        removed_ms: client.removed_ms.unwrap_or_default(),
        goes_ms: client.removed_ms.map_or(0, |removed_ms| keep.after(removed_ms)),
    }
}

/// A job's record, and what it waits for.
pub fn job_info(core: &Core, job: catalog::Job) -> JobInfo {
    let id = job.id.0 as u64;
    let live = core.board.live(id);
    let waits_for = live.and_then(|live| live.watch().borrow().waits_for.clone());
    JobInfo {
        id,
        kind: job.kind.to_string(),
        client: job.client.unwrap_or_default(),
        state: job.state.to_string(),
        queued_ms: job.queued_ms,
        started_ms: job.started_ms.unwrap_or_default(),
        finished_ms: job.finished_ms.unwrap_or_default(),
        error: job.error.unwrap_or_default(),
        subject: job.subject.unwrap_or_default(),
        mode: job.mode.map(|mode| mode.to_string()).unwrap_or_default(),
        reason: job.reason.unwrap_or_default(),
        waits_for: waits_for.unwrap_or_default(),
        figures: job.figures.unwrap_or_default(),
    }
}

/// The number before which a list begins; `None` where it begins with the newest.
pub fn before(number: u64) -> Option<i64> {
    (number != 0).then(|| i64::try_from(number).unwrap_or(i64::MAX))
}

/// A problem from a manifest.
pub fn problem(problem: &manifest::Problem) -> Problem {
    Problem {
        path: problem.path.to_vec(),
        kind: problem.kind.clone(),
        message: problem.message.clone(),
    }
}

/// An entry of a manifest.
pub fn entry(directory: &[u8], entry: &Entry) -> EntryView {
    let metadata = &entry.metadata;
    let target = match &entry.kind {
        Kind::Symlink { target } | Kind::HardLink { target } => target.to_vec(),
        _ => Vec::new(),
    };
    EntryView {
        path: manifest::join_path(directory, &entry.name).into(),
        kind: kind(&entry.kind).into(),
        mode: metadata.mode,
        uid: metadata.uid,
        gid: metadata.gid,
        user: metadata.user.as_deref().unwrap_or_default().into(),
        group: metadata.group.as_deref().unwrap_or_default().into(),
        size: entry.size(),
        mtime_s: metadata.mtime.secs,
        mtime_ns: metadata.mtime.nanos,
        target,
        hash: entry.hash().map(|hash| hash.0.to_vec()).unwrap_or_default(),
    }
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::File { .. } => "file",
        Kind::Volume { .. } => "volume",
        Kind::Directory => "directory",
        Kind::Symlink { .. } => "symlink",
        Kind::HardLink { .. } => "hard link",
        Kind::Fifo => "fifo",
        Kind::CharDevice { .. } => "character device",
        Kind::BlockDevice { .. } => "block device",
    }
}

/// Something that is wrong.
pub fn trouble(watched: &Watched, what: What) -> Trouble {
    let subject = match &watched.subject {
        Subject::Backups { target, .. } => crate::schedule::backup_kind(*target).to_string(),
        Subject::Presence { storage } => storage.clone(),
        Subject::Space { storage } => storage.clone().unwrap_or_default(),
        Subject::Soundness { .. } | Subject::GivenUp | Subject::Cleanup | Subject::CatalogCopies => {
            String::new()
        }
    };
    Trouble {
        client: watched.subject.client().unwrap_or_default().to_owned(),
        what: what.word().to_owned(),
        subject,
        reason: watched.reason.clone(),
    }
}
