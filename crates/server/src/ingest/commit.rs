//! The end of an ingest session: manifest, storage, catalog, `current`, in this order.

use std::sync::Arc;

use manifest::{Conclusion, Timestamp};
use storage::{BackupName, ClientName};
use tracing::{info, warn};
use wire::v1::{Received, ingest_reply::Reply};

use crate::concluded;
use crate::core::Core;
use crate::error::Result;
use crate::ingest::session::Session;
use crate::ingest::{Replies, reply};
use crate::jobs::LiveJob;

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
    let backup = concluded::record(
        catalog::BackupKind::File,
        &concluded::Conclusion {
            storage: session.storage().id,
            header: session.header(),
            summary: &summary,
            problems: &problems,
            finished_ms: finished_at.as_millisecond(),
            received_bytes: session.received_bytes(),
            stored_bytes: None,
        },
    );
    core.catalog.commit_backup(&backup)?;
    storage::crash::point("catalog knows the backup");
    session.store().point_current(&client, &name)?;
    session.storage().housekeeping.committed(committed);
    info!(
        client = client.as_str(),
        name = name.as_str(),
        files = summary.totals.files,
        problems = problems.count,
        "backup committed"
    );
    let told = concluded::end_job(core, job, &backup, &problems);
    if reply(replies, Reply::Committed(told)).is_err() {
        info!(
            client = session.header().client,
            "the client did not wait for the commit"
        );
    }
    Ok(())
}
