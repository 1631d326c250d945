//! How the copies of the catalog stand, as the storage and the last cleanup tell it.

use catalog::{JobFilter, JobKind, JobState};
use policy::alert::{Copies, Copying, LastCopy};
use serde_json::Value;

use super::made_at;
use crate::core::Core;
use crate::error::Result;

/// Among the figures of a cleanup: why the catalog could not be copied, or nothing.
pub const COPY_ERROR: &str = "catalog_copy_error";

/// How the copies stand.
#[derive(Debug, Clone)]
pub struct CopiesState {
    /// In `policy`'s words.
    pub copies: Copies,
    /// Why the last try failed, if it did.
    pub error: Option<String>,
}

/// Looks how the copies of the catalog stand. Fails where they can't be looked at, unless the last try is known to have failed.
pub fn copies_state(core: &Core) -> Result<CopiesState> {
    let copying = match core.policies.server().catalog_backup {
        "off" => Copying::Off,
        _ => Copying::Nightly,
    };
    let newest = newest_ms(core);
    let error = last_error(core, *newest.as_ref().unwrap_or(&None))?;
    let newest_ms = match (&error, newest) {
        // That they can't be looked at is no news then.
        (Some(_), Err(_)) => None,
        (_, newest) => newest?,
    };
    Ok(CopiesState {
        copies: Copies {
            copying,
            last: match error {
                Some(_) => LastCopy::Failed,
                None => LastCopy::Made,
            },
            newest_ms,
            started_ms: core.started_ms,
            now_ms: core.clock.now_ms(),
        },
        error,
    })
}

fn newest_ms(core: &Core) -> Result<Option<i64>> {
    let newest = core.storages.default().store.catalog_copies()?.newest_name()?;
    Ok(newest.map(|name| made_at(&name).as_millisecond()))
}

/// Why the last cleanup could not copy the catalog, unless a copy was made since.
fn last_error(core: &Core, newest_ms: Option<i64>) -> Result<Option<String>> {
    let filter = JobFilter {
        kind: Some(JobKind::Cleanup),
        state: Some(JobState::Done),
        limit: Some(1),
        ..JobFilter::default()
    };
    let last = core.catalog.jobs(&filter)?.pop();
    let is_since = |job: &catalog::Job| newest_ms.is_some_and(|newest_ms| Some(newest_ms) > job.finished_ms);
    let error = last.filter(|job| !is_since(job)).and_then(|job| {
        let figures: Value = serde_json::from_str(&job.figures?).ok()?;
        figures[COPY_ERROR].as_str().map(str::to_owned)
    });
    Ok(error)
}
