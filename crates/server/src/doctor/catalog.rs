//! How the catalog is: whether it can be opened, whether it is whole, and what there is to put in its place.

use std::path::Path;

use catalog::{Catalog, Error, JobFilter, JobKind, JobState};

use super::Subject;
use super::finding::{Finding, Level};
use super::words::{chain, span};
use crate::safety::catalog_copies;

const CATALOG: &str = "catalog";
const COPIES: &str = "catalog-copies";
const CLEANUP: &str = "cleanup";
const DAY_MS: u64 = 86_400_000;
/// A night or two may be missed: the machine was off, or had no time.
const LATE_MS: u64 = 3 * DAY_MS;
const PUT_BACK: &str = "stop the server; \"perennial server restore-catalog\" puts the newest copy back; without one \"perennial \
     server rebuild-catalog\" makes the catalog anew from the storage";

/// Judges why the catalog could not be opened.
pub fn judge_absence(state_dir: &Path, error: &Error) -> Finding {
    if let Error::OlderSchema { .. } = error {
        return Finding::ok(CATALOG, format!("{error} when the server starts"));
    }
    let (level, advice) = match error {
        Error::NotFound { .. } => (
            Level::Warning,
            "name the right state directory with --state; if the catalog was lost, \"perennial server restore-catalog\" puts a \
             copy back, and without one \"perennial server rebuild-catalog\" makes it anew from the storage",
        ),
        Error::Busy { .. } => (
            Level::Error,
            "a server uses it that does not answer on its socket: it may be starting or ending; if that takes minutes, look at \
             its log and restart it",
        ),
        Error::NewerSchema { .. } => (
            Level::Error,
            "update this program, or put back the copy of before the upgrade: \"perennial server restore-catalog --from \
             STATE/catalog.sqlite.before-vN\"",
        ),
        Error::Corrupt { .. } => (Level::Error, PUT_BACK),
        _ => (
            Level::Error,
            "run this as the user that the server runs as; look into the system's log for errors of the disk",
        ),
    };
    let what = match error {
        Error::NotFound { .. } => format!("there is no catalog in {}", state_dir.display()),
        error => chain(error),
    };
    Finding::of(level, CATALOG, what, advice)
}

/// Reads the whole catalog.
pub fn judge_wholeness(catalog: &Catalog) -> Finding {
    match catalog.check() {
        Ok(()) => Finding::ok(CATALOG, "the catalog is whole"),
        Err(error) => Finding::of(Level::Error, CATALOG, chain(&error), PUT_BACK),
    }
}

/// Judges what copies of the catalog there are.
pub fn judge_copies(subject: &Subject<'_>) -> Finding {
    if subject.rules.catalog_backup == "off" {
        return Finding::of(
            Level::Advice,
            COPIES,
            "the catalog is not copied into the storage (catalog_backup = off)",
            "set it to \"catalog\", or copy the state directory by other means; with a server that runs, \"catalog.sqlite\" alone is no copy",
        );
    }
    let copies = match catalog_copies(&subject.settings.storage_dir) {
        Ok(copies) => copies,
        Err(error) => {
            let what = format!("the copies of the catalog can't be looked at: {}", error.chain());
            return Finding::of(Level::Warning, COPIES, what, "see what is said of the storage");
        }
    };
    let Some(newest) = copies.last() else {
        let has_backups = subject.catalog.and_then(|catalog| catalog.totals().ok());
        let level = if has_backups.is_some_and(|totals| totals.backups > 0) {
            Level::Warning
        } else {
            Level::Advice
        };
        let advice = "the next cleanup makes one; \"perennial jobs list\" shows when the last was, and its log why it made none";
        return Finding::of(
            level,
            COPIES,
            "there is no copy of the catalog in the storage",
            advice,
        );
    };
    if let Err(error) = &newest.facts {
        return Finding::of(
            Level::Error,
            COPIES,
            format!(
                "the newest copy of the catalog, {}, can't be read: {}",
                newest.name,
                error.chain()
            ),
            "look into the system's log for errors of the disk; the next cleanup makes another copy",
        );
    }
    let age_ms = subject
        .clock
        .now_ms()
        .saturating_sub(newest.made_ms)
        .max(0)
        .unsigned_abs();
    let what = format!(
        "the newest copy of the catalog is {} old ({})",
        span(age_ms),
        newest.name
    );
    if age_ms > LATE_MS {
        let advice =
            "look at the log of the last cleanup: \"perennial jobs list\" and \"perennial jobs log ID\"";
        return Finding::of(Level::Warning, COPIES, what, advice);
    }
    Finding::ok(COPIES, what)
}

/// Whether the keys are anywhere else.
pub fn judge_key_copy(subject: &Subject<'_>) -> Option<Finding> {
    if subject.rules.catalog_backup == "catalog-and-keys" {
        return None;
    }
    let dir = crate::trust::dir(&subject.settings.state_dir);
    Some(Finding::of(
        Level::Advice,
        "keys-copy",
        "the keys of the certificate authority are not copied into the storage",
        format!(
            "keep a copy of {} in a safe place (without it, each client enrols anew after the loss of the state directory), or set \
             catalog_backup = catalog-and-keys if only those see the storage's disks who may have them",
            dir.display()
        ),
    ))
}

/// Judges the last cleanup.
pub fn judge_cleanup(subject: &Subject<'_>, catalog: &Catalog) -> Option<Finding> {
    let last = |state| {
        let filter = JobFilter {
            kind: Some(JobKind::Cleanup),
            state,
            limit: Some(1),
            ..JobFilter::default()
        };
        Some(catalog.jobs(&filter).ok()?.into_iter().next())
    };
    let (done, latest) = (last(Some(JobState::Done))?, last(None)?);
    if let Some(failed) = latest.filter(|job| job.state == JobState::Failed) {
        let why = failed.error.unwrap_or_default();
        let advice = format!("\"perennial jobs log {}\" tells more", failed.id.0);
        return Some(Finding::of(
            Level::Warning,
            CLEANUP,
            format!("the last cleanup failed: {why}"),
            advice,
        ));
    }
    let Some(began_ms) = done.and_then(|job| job.started_ms) else {
        let advice = "it begins within cleanup_window while the server runs; \"perennial settings explain cleanup_window\" tells when that is";
        return Some(Finding::of(
            Level::Advice,
            CLEANUP,
            "there has been no cleanup yet",
            advice,
        ));
    };
    let ago_ms = subject
        .clock
        .now_ms()
        .saturating_sub(began_ms)
        .max(0)
        .unsigned_abs();
    let what = format!("the last cleanup was {} ago", span(ago_ms));
    Some(if ago_ms > LATE_MS {
        let advice = "have the server run within cleanup_window, or change that: \"perennial settings explain cleanup_window\"";
        Finding::of(Level::Warning, CLEANUP, what, advice)
    } else {
        Finding::ok(CLEANUP, what)
    })
}
