//! The logs of jobs: what was said while they ran.

use rusqlite::params;

use crate::columns::word_enum;
use crate::{Catalog, Error, JobId};

word_enum! {
    /// How much a line matters.
    LogLevel {
        /// Good to know.
        Info = "info",
        /// Something is not as it should be.
        Warning = "warning",
        /// Something failed.
        Error = "error",
    }
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLine {
    /// When it was said.
    pub at_ms: i64,
    /// How much it matters.
    pub level: LogLevel,
    /// What was said.
    pub text: String,
}

impl Catalog {
    /// Adds lines to a job's log, after those that are there.
    pub fn log_job(&self, id: JobId, lines: &[JobLine]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let next: i64 = transaction.query_row(
                "SELECT coalesce(max(position) + 1, 0) FROM job_log WHERE job_id = ?1",
                [id.0],
                |row| row.get(0),
            )?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO job_log (job_id, position, at_ms, level, text) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (position, line) in (next..).zip(lines) {
                insert.execute(params![id.0, position, line.at_ms, line.level, line.text])?;
            }
            Ok(())
        })
    }

    /// A job's log, the oldest line first.
    pub fn job_log(&self, id: JobId) -> Result<Vec<JobLine>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT at_ms, level, text FROM job_log WHERE job_id = ?1 ORDER BY position",
            )?;
            let rows = statement.query_map([id.0], |row| {
                Ok(JobLine {
                    at_ms: row.get(0)?,
                    level: row.get(1)?,
                    text: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}
