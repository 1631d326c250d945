//! The end of an ingest session: manifest, storage, catalog, `current`, in this order.

use std::sync::Arc;

use catalog::{BackupFigures, BackupMode, JobEnd, NewBackup, Outcome};
use manifest::{Conclusion, Summary, Timestamp};
use storage::{BackupName, ClientName};
use tracing::{info, warn};
use wire::v1::{Committed, Received, ingest_reply::Reply};

use crate::core::Core;
use crate::error::Result;
use crate::ingest::session::{ProblemList, Session};
use crate::ingest::{Replies, reply};
use crate::jobs::{LiveJob, finished};
use crate::services::views;

/// Commits the backup and tells the client. After this has begun, losing the client no longer matters.
pub fn commit(
    core: &Arc<Core>,
    session: &Arc<Session>,
    job: &Arc<LiveJob>,
    client_digest: Vec<u8>,
    replies: &Replies,
) -> Result<()> {
    // The client may be gone from here on: its content is here.
    let _ = reply(replies, Reply::Received(Received {}));
    let finished_at = core.clock.now();
    let (ingest, summary) = session.conclude(|problems| Conclusion {
        finished: Timestamp {
            secs: finished_at.as_second(),
            nanos: finished_at.subsec_nanosecond().unsigned_abs(),
        },
        problem_count: problems.count,
        problems: problems.kept.clone(),
    })?;
    let mut problems = session.problem_list();
    let client: ClientName = session.header().client.parse()?;
    let name: BackupName = session.header().name.parse()?;
    if client_digest != summary.digest.0 {
        warn!(
            client = client.as_str(),
            "the client's manifest differs from the server's; it will fetch the server's"
        );
    }
    // ORDER: the storage first, then the catalog, then the link: a crash between the first two is found at the next
    // start by the manifest that the catalog does not know.
    let committed = ingest.commit(&name)?;
    // Hard links are made last, so what is missing there the catalog alone can say.
    problems.add_lost(&committed.outcome.lost);
    let backup = record(session, &summary, &problems, finished_at.as_millisecond());
    core.catalog.commit_backup(&backup)?;
    storage::crash::point("catalog knows the backup");
    core.store.point_current(&client, &name)?;
    core.housekeeping.committed(committed);
    info!(
        client = client.as_str(),
        name = name.as_str(),
        files = summary.totals.files,
        problems = problems.count,
        "backup committed"
    );
    tell(core, session, job, &backup, &problems, replies);
    Ok(())
}

/// Ends the job and tells the client, if it is still there.
fn tell(
    core: &Core,
    session: &Session,
    job: &LiveJob,
    backup: &NewBackup,
    problems: &ProblemList,
    replies: &Replies,
) {
    let info = core
        .catalog
        .backup(&backup.client, &backup.name)
        .map(|record| views::backup_info(&record))
        .ok();
    let shown = problems.kept.iter().take(100).map(views::problem).collect();
    let mut done = finished(format!("backup {}/{}", backup.client, backup.name), shown);
    done.backup = info.clone();
    core.board.end(job, JobEnd::Done, done);
    let committed = Committed {
        client: backup.client.clone(),
        name: backup.name.clone(),
        digest: backup.digest.to_vec(),
        with_problems: problems.count > 0,
        info,
    };
    if reply(replies, Reply::Committed(committed)).is_err() {
        info!(
            client = session.header().client,
            "the client did not wait for the commit"
        );
    }
}

fn record(session: &Session, summary: &Summary, problems: &ProblemList, finished_ms: i64) -> NewBackup {
    let header = session.header();
    NewBackup {
        client: header.client.clone(),
        name: header.name.clone(),
        kind: catalog::BackupKind::File,
        mode: match header.kind {
            manifest::BackupKind::Full => BackupMode::Full,
            manifest::BackupKind::Incremental => BackupMode::Incremental,
        },
        base: header.base.clone(),
        started_ms: header.started.secs * 1000 + i64::from(header.started.nanos / 1_000_000),
        finished_ms,
        outcome: if problems.count == 0 {
            Outcome::Finished
        } else {
            Outcome::WithProblems
        },
        figures: BackupFigures {
            files: summary.totals.files,
            directories: summary.totals.directories,
            bytes_logical: summary.totals.bytes,
            bytes_transferred: session.received_bytes(),
            bytes_stored_new: None,
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
