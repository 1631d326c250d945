//! The end of an image session: synthetic disks, storage, catalog, in this order.

use std::sync::Arc;

use manifest::{Conclusion, Timestamp};
use tracing::info;
use wire::v1::{Received, image_reply::Reply};

use super::{Replies, Session, reply, synthetic};
use crate::concluded;
use crate::core::Core;
use crate::error::Result;
use crate::jobs::LiveJob;
use crate::sessions::DataSession as _;

/// Commits the image and tells the client. After this has begun, losing the client no longer matters.
pub fn commit(core: &Arc<Core>, session: &Arc<Session>, job: &Arc<LiveJob>, replies: &Replies) -> Result<()> {
    // The client may be gone from here on: its content is here.
    let _ = reply(replies, Reply::Received(Received {}));
    let (ingest, stored_bytes) = session.take()?;
    ingest.drop_rest()?;
    let place = (session.client(), session.storage());
    synthetic::assemble(core, place, &ingest, session.disks(), &**session);
    let problems = session.problem_list();
    let finished_at = core.clock.now();
    let conclusion = Conclusion {
        finished: Timestamp {
            secs: finished_at.as_second(),
            nanos: finished_at.subsec_nanosecond().unsigned_abs(),
        },
        problem_count: problems.count,
        problems: problems.kept.clone(),
    };
    // ORDER: the storage first, then the catalog: a crash between the two is found at the next start by the manifest that the
    // catalog does not know.
    let (committed, summary) = ingest.commit(session.header(), &conclusion)?;
    let backup = concluded::record(
        catalog::BackupKind::Image,
        &concluded::Conclusion {
            storage: session.storage().id,
            header: session.header(),
            summary: &summary,
            problems: &problems,
            finished_ms: finished_at.as_millisecond(),
            received_bytes: session.received_bytes(),
            stored_bytes: Some(stored_bytes),
        },
    );
    core.catalog.commit_backup(&backup)?;
    storage::crash::point("catalog knows the image");
    session.storage().housekeeping.committed(committed);
    info!(
        client = backup.client,
        name = backup.name,
        stored_bytes,
        problems = problems.count,
        "image committed"
    );
    let told = concluded::end_job(core, job, &backup, &problems);
    if reply(replies, Reply::Committed(told)).is_err() {
        info!(client = backup.client, "the client did not wait for the commit");
    }
    Ok(())
}
