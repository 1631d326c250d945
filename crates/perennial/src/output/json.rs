//! What `--json` prints: a contract, kept apart from the messages on the wire so that these may change.
//!
//! Times are RFC 3339 with offset, sizes are bytes, hashes hexadecimal digits. A path that is not UTF-8 is shown with
//! replacement characters, and in full as `path_hex`.

use jiff::tz::TimeZone;
use serde::Serialize;
use wire::v1;

use super::format::{hex, rfc3339};

#[cfg(feature = "server")]
mod safety;

#[cfg(feature = "server")]
pub use safety::{CatalogCopyView, DoctorView, FindingView, RestoredCatalogView};

/// A path in a backup.
#[derive(Debug, Serialize)]
pub struct PathView {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl PathView {
    /// A view of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        let path_hex = std::str::from_utf8(bytes).is_err().then(|| hex(bytes));
        Self {
            path: String::from_utf8_lossy(bytes).into_owned(),
            path_hex,
        }
    }
}

/// A backup.
#[derive(Debug, Serialize)]
pub struct BackupView {
    client: String,
    name: String,
    kind: String,
    mode: &'static str,
    outcome: String,
    started: Option<String>,
    finished: Option<String>,
    files: u64,
    directories: u64,
    bytes: u64,
    bytes_transferred: u64,
    problems: u64,
    base: Option<String>,
    digest: String,
    archived: Option<ArchivedView>,
    held_for: Option<String>,
    verified: Option<VerifiedView>,
}

/// That a backup is archived.
#[derive(Debug, Serialize)]
struct ArchivedView {
    /// Nothing for ever.
    until: Option<String>,
    by: String,
}

/// The last verification of a backup.
#[derive(Debug, Serialize)]
struct VerifiedView {
    found: String,
    at: Option<String>,
}

impl BackupView {
    /// A view of this backup.
    pub fn new(backup: &v1::BackupInfo, zone: &TimeZone) -> Self {
        Self {
            client: backup.client.clone(),
            name: backup.name.clone(),
            kind: backup.kind.clone(),
            mode: mode_word(backup.mode()),
            outcome: backup.outcome.clone(),
            started: rfc3339(backup.started_ms, zone),
            finished: rfc3339(backup.finished_ms, zone),
            files: backup.files,
            directories: backup.directories,
            bytes: backup.bytes_logical,
            bytes_transferred: backup.bytes_transferred,
            problems: backup.problems,
            base: some(&backup.base),
            digest: hex(&backup.digest),
            archived: (backup.archived_until_ms != 0).then(|| ArchivedView {
                until: (backup.archived_until_ms != i64::MAX)
                    .then(|| rfc3339(backup.archived_until_ms, zone))
                    .flatten(),
                by: backup.archived_by.clone(),
            }),
            held_for: some(&backup.held_for),
            verified: some(&backup.verified).map(|found| VerifiedView {
                found,
                at: rfc3339(backup.verified_ms, zone),
            }),
        }
    }
}

/// The word for how a backup was made.
pub fn mode_word(mode: v1::BackupMode) -> &'static str {
    match mode {
        v1::BackupMode::Full => "full",
        v1::BackupMode::Incremental => "incremental",
        v1::BackupMode::Unspecified => "unknown",
    }
}

/// A source of a backup.
#[derive(Debug, Serialize)]
pub struct SourceView {
    name: String,
    #[serde(flatten)]
    path: PathView,
    consistency: String,
}

/// A problem with one entry.
#[derive(Debug, Serialize)]
pub struct ProblemView {
    #[serde(flatten)]
    path: PathView,
    kind: String,
    message: String,
}

impl ProblemView {
    /// A view of this problem.
    pub fn new(problem: &v1::Problem) -> Self {
        Self {
            path: PathView::new(&problem.path),
            kind: problem.kind.clone(),
            message: problem.message.clone(),
        }
    }
}

/// A backup with all that is known of it.
#[derive(Debug, Serialize)]
pub struct DetailView {
    #[serde(flatten)]
    backup: BackupView,
    location: Option<String>,
    taken: Option<TakenView>,
    sources: Vec<SourceView>,
    problem_list: Vec<ProblemView>,
}

/// What a backup takes of the storage.
#[derive(Debug, Serialize)]
struct TakenView {
    bytes_stored_new: u64,
    bytes_exclusive: u64,
    bytes_shared: u64,
}

impl DetailView {
    /// A view of this detail.
    pub fn new(info: &v1::BackupInfo, detail: &v1::BackupDetail, zone: &TimeZone) -> Self {
        let sources = detail.sources.iter().map(|source| SourceView {
            name: String::from_utf8_lossy(&source.name).into_owned(),
            path: PathView::new(&source.path),
            consistency: source.consistency.clone(),
        });
        Self {
            backup: BackupView::new(info, zone),
            location: some(&detail.location),
            taken: detail.taken.as_ref().map(|taken| TakenView {
                bytes_stored_new: taken.stored_new_bytes,
                bytes_exclusive: taken.exclusive_bytes,
                bytes_shared: taken.shared_bytes,
            }),
            sources: sources.collect(),
            problem_list: detail.problems.iter().map(ProblemView::new).collect(),
        }
    }
}

/// An entry of a backup.
#[derive(Debug, Serialize)]
pub struct EntryView {
    #[serde(flatten)]
    path: PathView,
    kind: String,
    mode: String,
    uid: u32,
    gid: u32,
    user: Option<String>,
    group: Option<String>,
    size: u64,
    mtime: Option<String>,
    target: Option<String>,
    hash: Option<String>,
}

impl EntryView {
    /// A view of this entry.
    pub fn new(entry: &v1::EntryView, zone: &TimeZone) -> Self {
        let stamp = jiff::Timestamp::new(entry.mtime_s, i32::try_from(entry.mtime_ns).unwrap_or(0));
        let mtime = stamp.ok().map(|stamp| {
            let offset = stamp.to_zoned(zone.clone()).offset();
            stamp.display_with_offset(offset).to_string()
        });
        Self {
            path: PathView::new(&entry.path),
            kind: entry.kind.clone(),
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            user: some(&entry.user),
            group: some(&entry.group),
            size: entry.size,
            mtime,
            target: some(&String::from_utf8_lossy(&entry.target)),
            hash: some(&hex(&entry.hash)),
        }
    }
}

/// A difference between two backups.
#[derive(Debug, Serialize)]
pub struct ChangeView {
    kind: String,
    #[serde(flatten)]
    path: PathView,
    size_before: u64,
    size_after: u64,
}

impl ChangeView {
    /// A view of this change.
    pub fn new(change: &v1::Change) -> Self {
        Self {
            kind: change.kind.clone(),
            path: PathView::new(&change.path),
            size_before: change.size_before,
            size_after: change.size_after,
        }
    }
}

/// A client.
#[derive(Debug, Serialize)]
pub struct ClientView {
    name: String,
    display_name: Option<String>,
    state: String,
    connected: bool,
    enrolled: Option<String>,
    last_seen: Option<String>,
    operating_system: Option<String>,
    version: Option<String>,
    backups: u64,
    newest: Option<String>,
    group: Option<String>,
    paused_until: Option<String>,
}

impl ClientView {
    /// A view of this client.
    pub fn new(client: &v1::ClientInfo, zone: &TimeZone) -> Self {
        Self {
            name: client.name.clone(),
            display_name: some(&client.display_name),
            state: client.state.clone(),
            connected: client.connected,
            enrolled: rfc3339(client.enrolled_ms, zone),
            last_seen: rfc3339(client.last_seen_ms, zone),
            operating_system: some(&client.operating_system),
            version: some(&client.version),
            backups: client.backups,
            newest: some(&client.newest),
            group: some(&client.group),
            paused_until: rfc3339(client.paused_until_ms, zone),
        }
    }
}

/// A job.
#[derive(Debug, Serialize)]
pub struct JobView {
    id: u64,
    kind: String,
    client: String,
    state: String,
    queued: Option<String>,
    started: Option<String>,
    finished: Option<String>,
    error: Option<String>,
    mode: Option<String>,
    subject: Option<String>,
    reason: Option<String>,
    waits_for: Option<String>,
    figures: Option<serde_json::Value>,
}

impl JobView {
    /// A view of this job.
    pub fn new(job: &v1::JobInfo, zone: &TimeZone) -> Self {
        Self {
            id: job.id,
            kind: job.kind.clone(),
            client: job.client.clone(),
            state: job.state.clone(),
            queued: rfc3339(job.queued_ms, zone),
            started: rfc3339(job.started_ms, zone),
            finished: rfc3339(job.finished_ms, zone),
            error: some(&job.error),
            mode: some(&job.mode),
            subject: some(&job.subject),
            reason: some(&job.reason),
            waits_for: some(&job.waits_for),
            figures: serde_json::from_str(&job.figures).ok(),
        }
    }
}

/// How a job ended.
#[derive(Debug, Serialize)]
pub struct DoneView {
    outcome: &'static str,
    message: Option<String>,
    backup: Option<BackupView>,
    problems: Vec<ProblemView>,
}

impl DoneView {
    /// A view of a backup that was committed.
    pub fn of_backup(committed: &v1::Committed, zone: &TimeZone) -> Self {
        Self {
            outcome: if committed.with_problems {
                "with problems"
            } else {
                "finished"
            },
            message: None,
            backup: committed.info.as_ref().map(|info| BackupView::new(info, zone)),
            problems: Vec::new(),
        }
    }

    /// A view of this end.
    pub fn new(done: &v1::JobDone, zone: &TimeZone) -> Self {
        use v1::job_done::Outcome;
        Self {
            outcome: match done.outcome() {
                Outcome::Finished => "finished",
                Outcome::WithProblems => "with problems",
                Outcome::Failed => "failed",
                Outcome::Cancelled => "cancelled",
            },
            message: some(&done.message),
            backup: done.backup.as_ref().map(|backup| BackupView::new(backup, zone)),
            problems: done.problems.iter().map(ProblemView::new).collect(),
        }
    }
}

/// The server as a whole.
#[derive(Debug, Serialize)]
pub struct StatusView {
    version: String,
    server_id: String,
    listen: String,
    authority_fingerprint: String,
    storage: StorageView,
    clients: u64,
    clients_connected: u64,
    backups: u64,
    jobs_running: u64,
}

#[derive(Debug, Serialize)]
struct StorageView {
    path: String,
    backend: String,
    file_system: String,
    space_total_bytes: u64,
    space_free_bytes: u64,
}

impl StatusView {
    /// A view of this status.
    pub fn new(status: &v1::StatusReply) -> Self {
        Self {
            version: status.version.clone(),
            server_id: status.server_id.clone(),
            listen: status.listen.clone(),
            authority_fingerprint: status.authority_fingerprint.clone(),
            storage: StorageView {
                path: status.storage_path.clone(),
                backend: status.storage_backend.clone(),
                file_system: status.file_system.clone(),
                space_total_bytes: status.space_total_bytes,
                space_free_bytes: status.space_free_bytes,
            },
            clients: status.clients,
            clients_connected: status.clients_connected,
            backups: status.backups,
            jobs_running: status.jobs_running,
        }
    }
}

/// A step of a storage's repair.
#[derive(Debug, Serialize)]
pub struct RepairView {
    finding: String,
    action: String,
    done: bool,
    error: Option<String>,
}

impl RepairView {
    /// A view of this step.
    pub fn new(step: &v1::RepairStep) -> Self {
        Self {
            finding: step.finding.clone(),
            action: step.action.clone(),
            done: step.done,
            error: some(&step.error),
        }
    }
}

/// A new enrolment token.
#[derive(Debug, Serialize)]
pub struct TokenView {
    token: String,
    expires: Option<String>,
}

impl TokenView {
    /// A view of this token.
    pub fn new(reply: &v1::CreateTokenReply, zone: &TimeZone) -> Self {
        Self {
            token: reply.token.clone(),
            expires: rfc3339(reply.expires_ms, zone),
        }
    }
}

/// A program that installers bring.
#[cfg(feature = "server")]
#[derive(Debug, Serialize)]
pub struct BuildView {
    architecture: String,
    version: String,
    size_bytes: u64,
    glibc: Option<String>,
    is_own: bool,
}

#[cfg(feature = "server")]
impl BuildView {
    /// A view of this program.
    pub fn new(kept: &server::KeptBuild) -> Self {
        let info = &kept.build.info;
        Self {
            architecture: info.architecture.to_string(),
            version: info.version.to_string(),
            size_bytes: info.size_bytes,
            glibc: info.glibc.map(|glibc| glibc.to_string()),
            is_own: kept.is_own,
        }
    }
}

fn some(text: &str) -> Option<String> {
    if text.is_empty() {
        None
    } else {
        Some(text.to_owned())
    }
}
