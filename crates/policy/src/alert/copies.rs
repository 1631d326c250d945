//! How the copies of the catalog are found.

use super::{Finding, Found, What};
use crate::Span;

/// So old a copy may be: of the nightly ones, more than one is missing then.
const MOST_AGE: Span = Span::days(3);
/// So long a server that was off has to make the next one.
const GRACE: Span = Span::days(2);

/// Whether the catalog is to be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// Each night.
    Nightly,
    /// Somebody has switched that off.
    Off,
}

/// How the last try to copy it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastCopy {
    /// Well, or there was none.
    Made,
    /// Without a copy.
    Failed,
}

/// What is known of the copies of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Whether there are to be any.
    pub copying: Copying,
    /// How the last try ended.
    pub last: LastCopy,
    /// When the newest was made.
    pub newest_ms: Option<i64>,
    /// Since when the server runs.
    pub started_ms: i64,
    /// The time.
    pub now_ms: i64,
}

/// Tells whether copies of the catalog are missing: the last try failed, or the newest is too old though there was time for another.
pub fn of_copies(copies: &Copies) -> Found {
    let wrong = Found::Wrong(Finding::of(What::CatalogNotCopied));
    let is_old = copies
        .newest_ms
        .is_none_or(|newest_ms| MOST_AGE.after(newest_ms) < copies.now_ms);
    let had_time = GRACE.after(copies.started_ms) < copies.now_ms;
    match (copies.copying, copies.last) {
        (Copying::Off, _) => Found::Unwatched,
        (Copying::Nightly, LastCopy::Failed) => wrong,
        (Copying::Nightly, LastCopy::Made) if is_old && had_time => wrong,
        (Copying::Nightly, LastCopy::Made) => Found::Well,
    }
}
