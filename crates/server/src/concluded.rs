//! What is said of a backup that has been committed: to the catalog, to who watches the job, and to the client.

use catalog::{BackupFigures, BackupMode, JobEnd, NewBackup, Outcome, StorageId};
use manifest::{Header, Summary};
use serde_json::json;
use wire::v1::Committed;

use crate::core::Core;
use crate::jobs::{LiveJob, finished};
use crate::problems::ProblemList;
use crate::retention;
use crate::services::views;

/// Ends the job. Returns what the client is told.
pub fn end_job(core: &Core, job: &LiveJob, backup: &NewBackup, problems: &ProblemList) -> Committed {
    if let Ok(record) = core.catalog.backup(&backup.client, &backup.name) {
        retention::archive(core, &record);
        if let Some(location) = core.location(&record) {
            job.hooked.set_location(location);
        }
    }
    if core
        .catalog
        .damage(Some(&backup.client))
        .is_ok_and(|damage| !damage.is_empty())
    {
        core.checking.has_new_content();
        core.schedule.look_again();
    }
    let info = core
        .catalog
        .backup(&backup.client, &backup.name)
        .map(|record| views::backup_info(&record))
        .ok();
    let shown = problems.kept.iter().take(100).map(views::problem).collect();
    let mut done = finished(format!("backup {}/{}", backup.client, backup.name), shown);
    done.backup = info.clone();
    let figures = json!({
        "backup": backup.name,
        "files": backup.figures.files,
        "directories": backup.figures.directories,
        "bytes_logical": backup.figures.bytes_logical,
        "bytes_transferred": backup.figures.bytes_transferred,
        "bytes_stored_new": backup.figures.bytes_stored_new,
        "problems": problems.count,
    });
    core.board
        .end_with(job, JobEnd::Done, Some(&figures.to_string()), done);
    Committed {
        client: backup.client.clone(),
        name: backup.name.clone(),
        digest: backup.digest.to_vec(),
        with_problems: problems.count > 0,
        info,
    }
}

/// What came of a backup, besides its content.
pub struct Conclusion<'a> {
    /// The storage that it lies in.
    pub storage: StorageId,
    /// What its manifest says of it.
    pub header: &'a Header,
    /// What its manifest lists.
    pub summary: &'a Summary,
    /// What was wrong.
    pub problems: &'a ProblemList,
    /// When it was finished, in milliseconds since 1970.
    pub finished_ms: i64,
    /// What came over data connections.
    pub received_bytes: u64,
    /// What had to be written, where that is known.
    pub stored_bytes: Option<u64>,
}

/// The catalog's record of a backup.
pub fn record(kind: catalog::BackupKind, backup: &Conclusion<'_>) -> NewBackup {
    let Conclusion {
        header,
        summary,
        problems,
        ..
    } = backup;
    NewBackup {
        client: header.client.clone(),
        storage: backup.storage,
        name: header.name.clone(),
        kind,
        mode: match header.kind {
            manifest::BackupKind::Full => BackupMode::Full,
            manifest::BackupKind::Incremental => BackupMode::Incremental,
        },
        base: header.base.clone(),
        started_ms: header.started.secs * 1000 + i64::from(header.started.nanos / 1_000_000),
        finished_ms: backup.finished_ms,
        outcome: if problems.count == 0 {
            Outcome::Finished
        } else {
            Outcome::WithProblems
        },
        figures: BackupFigures {
            files: summary.totals.files,
            directories: summary.totals.directories,
            bytes_logical: summary.totals.bytes,
            bytes_transferred: backup.received_bytes,
            bytes_stored_new: backup.stored_bytes,
        },
        digest: summary.digest.0,
        problem_count: problems.count,
        problems: problems
            .kept
            .iter()
            .map(|problem| catalog::Problem {
                path: problem.path.to_vec(),
                kind: problem.kind.clone(),
                message: problem.message.clone(),
            })
            .collect(),
    }
}
