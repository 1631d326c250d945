//! Jobs: what the server was asked to do and what came of it.
//!
//! ```text
//! queued ──▶ running ──▶ done | failed | cancelled | interrupted
//!    └───────────────────────▶ failed | cancelled | interrupted
//! ```

use rusqlite::types::ToSqlOutput;
use rusqlite::{OptionalExtension, Row, ToSql, Transaction, params};

use crate::clients::id_of;
use crate::columns::word_enum;
use crate::conditions::{Conditions, anywhere};
use crate::error::{Error, Failure};
use crate::{BackupMode, Catalog};

/// A job's number; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

impl ToSql for JobId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

word_enum! {
    /// What a job does.
    JobKind {
        /// Makes a file backup.
        FileBackup = "file backup",
        /// Makes an image backup.
        ImageBackup = "image backup",
        /// Gives files back.
        Restore = "restore",
        /// Compares a backup with its manifest or its source.
        Verify = "verify",
        /// Removes a backup from the storage.
        Delete = "delete",
        /// Removes what retention no longer keeps.
        Cleanup = "cleanup",
        /// Puts the storage right.
        Repair = "repair",
        /// Builds the content index anew.
        RebuildIndex = "rebuild index",
        /// Moves a client's backups to another storage.
        Move = "move",
        /// Reads backups again and mends what is damaged.
        Check = "check",
        /// Makes a virtual disk of an image, to be downloaded.
        Publish = "publish",
    }
}

word_enum! {
    /// Where a job stands.
    JobState {
        /// It waits for its turn.
        Queued = "queued",
        /// It is at work.
        Running = "running",
        /// It did what it was to do.
        Done = "done",
        /// It could not.
        Failed = "failed",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// The server ended before it.
        Interrupted = "interrupted",
    }
}

/// A job to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// The client that it is for.
    pub client: Option<String>,
    /// What it is about: a backup's name, a path.
    pub subject: Option<String>,
    /// Of a backup: what it trusts.
    pub mode: Option<BackupMode>,
    /// Why it was queued, in words.
    pub reason: Option<String>,
    /// When it was asked for.
    pub queued_ms: i64,
}

/// A job as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The client that it is for.
    pub client: Option<String>,
    /// What it is about.
    pub subject: Option<String>,
    /// Of a backup: what it trusts.
    pub mode: Option<BackupMode>,
    /// Why it was queued, in words.
    pub reason: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// When it was asked for.
    pub queued_ms: i64,
    /// When it began.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Figures in JSON; the catalog does not look inside.
    pub figures: Option<String>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// It did what it was to do.
    Done,
    /// It could not.
    Failed {
        /// Why.
        error: String,
    },
    /// Somebody stopped it.
    Cancelled,
    /// It stopped in the middle and can be taken up again.
    Interrupted {
        /// Why.
        error: String,
    },
}

impl JobEnd {
    /// The state of a job that ended so.
    pub fn state(&self) -> JobState {
        match self {
            Self::Done => JobState::Done,
            Self::Failed { .. } => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
            Self::Interrupted { .. } => JobState::Interrupted,
        }
    }

    /// Why it did not do what it was to do, where there is more to say than that it was cancelled.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Failed { error } | Self::Interrupted { error } => Some(error),
            Self::Done | Self::Cancelled => None,
        }
    }
}

/// Which jobs to list; what is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Only this client's.
    pub client: Option<String>,
    /// Only of this kind.
    pub kind: Option<JobKind>,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only those that ended then or later.
    pub ended_since_ms: Option<i64>,
    /// Only those that were queued before this one.
    pub before: Option<JobId>,
    /// Only those that have this in the name of their client, in their kind or in what they are about.
    pub text: Option<String>,
    /// Only this many, the newest.
    pub limit: Option<u32>,
}

impl Catalog {
    /// Records a job that waits for its turn.
    pub fn queue_job(&self, job: &NewJob) -> Result<JobId, Error> {
        self.connections.write(|transaction| {
            let client_id = job
                .client
                .as_deref()
                .map(|client| id_of(transaction, client))
                .transpose()?;
            transaction.execute(
                "INSERT INTO jobs (kind, client_id, subject, mode, reason, state, queued_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    job.kind,
                    client_id,
                    job.subject,
                    job.mode,
                    job.reason,
                    JobState::Queued,
                    job.queued_ms
                ],
            )?;
            Ok(JobId(transaction.last_insert_rowid()))
        })
    }

    /// Records that a queued job is at work.
    pub fn start_job(&self, id: JobId, started_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            match state(transaction, id)? {
                JobState::Queued => {}
                state => return Err(Error::JobState { id, state }.into()),
            }
            transaction.execute(
                "UPDATE jobs SET state = ?2, started_ms = ?3 WHERE id = ?1",
                params![id.0, JobState::Running, started_ms],
            )?;
            Ok(())
        })
    }

    /// Records how a job ended, with its figures in JSON. One that was never started can't be done.
    pub fn finish_job(
        &self,
        id: JobId,
        end: &JobEnd,
        figures: Option<&str>,
        finished_ms: i64,
    ) -> Result<(), Error> {
        let (ended, error) = (end.state(), end.error());
        self.connections.write(|transaction| {
            match state(transaction, id)? {
                JobState::Running => {}
                JobState::Queued if ended != JobState::Done => {}
                state => return Err(Error::JobState { id, state }.into()),
            }
            transaction.execute(
                "UPDATE jobs SET state = ?2, error = ?3, figures = ?4, finished_ms = ?5 WHERE id = ?1",
                params![id.0, ended, error, figures, finished_ms],
            )?;
            Ok(())
        })
    }

    /// Marks every job that has not ended as interrupted: to be called when the server starts. Returns how many.
    pub fn interrupt_jobs(&self, now_ms: i64) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE jobs SET state = ?1, finished_ms = ?2, error = 'the server ended before the job'
                  WHERE state IN (?3, ?4)",
                params![JobState::Interrupted, now_ms, JobState::Queued, JobState::Running],
            )?;
            Ok(changed as u64)
        })
    }

    /// The job of this number; fails with [`Error::UnknownJob`].
    pub fn job(&self, id: JobId) -> Result<Job, Error> {
        self.connections.read(|transaction| {
            transaction
                .prepare_cached(&format!("{SELECT} WHERE jobs.id = ?1"))?
                .query_row([id.0], job_from)
                .optional()?
                .ok_or_else(|| Error::UnknownJob { id }.into())
        })
    }

    /// Lists jobs, newest first.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, Error> {
        self.connections.read(|transaction| {
            let mut conditions = Conditions::none();
            conditions.add("clients.name = ?", &filter.client);
            conditions.add("jobs.kind = ?", &filter.kind);
            conditions.add("jobs.state = ?", &filter.state);
            conditions.add("jobs.finished_ms >= ?", &filter.ended_since_ms);
            conditions.add("jobs.id < ?", &filter.before);
            let pattern = filter.text.as_deref().map(anywhere);
            conditions.add(TEXTS_LIKE, &pattern);
            let mut statement = transaction.prepare_cached(&format!(
                "{SELECT} WHERE {} ORDER BY jobs.id DESC LIMIT {}",
                conditions.sql(),
                filter.limit.map_or(-1, i64::from)
            ))?;
            let rows = statement.query_map(conditions.params(), job_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets jobs that ended before this time. Returns how many.
    pub fn prune_jobs(&self, finished_before_ms: i64) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let removed =
                transaction.execute("DELETE FROM jobs WHERE finished_ms < ?1", [finished_before_ms])?;
            Ok(removed as u64)
        })
    }
}

/// Where a text is looked for.
const TEXTS_LIKE: &str = "(coalesce(clients.name, '') || char(10) || jobs.kind || char(10) || coalesce(jobs.subject, '')) LIKE ? ESCAPE '!'";

const SELECT: &str =
    "SELECT jobs.*, clients.name AS client FROM jobs LEFT JOIN clients ON clients.id = jobs.client_id";

fn state(transaction: &Transaction<'_>, id: JobId) -> Result<JobState, Failure> {
    transaction
        .query_row("SELECT state FROM jobs WHERE id = ?1", [id.0], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Error::UnknownJob { id }.into())
}

fn job_from(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: JobId(row.get("id")?),
        kind: row.get("kind")?,
        client: row.get("client")?,
        subject: row.get("subject")?,
        mode: row.get("mode")?,
        reason: row.get("reason")?,
        state: row.get("state")?,
        queued_ms: row.get("queued_ms")?,
        started_ms: row.get("started_ms")?,
        finished_ms: row.get("finished_ms")?,
        error: row.get("error")?,
        figures: row.get("figures")?,
    })
}
