//! The server's own safety: copies of its catalog in the storage, and putting one back.
//!
//! ```text
//! cleanup, new version ─▶ STORAGE/.perennial/catalog/TIME ─ restore-catalog ─▶ STATE, then what the storage has since
//! ```
//! What is copied is a matter of the setting `catalog_backup`; which copies go is `policy`'s.

mod copies;
mod restore;
mod watch;

pub use copies::{Check, copy_catalog, copy_for_new_version};
pub use restore::{CopyChoice, Keys, PassedOver, Restored, StoredCopy, catalog_copies, restore_catalog};

pub use watch::{COPY_ERROR, copies_state};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use storage::CopyName;

use crate::error::Result;

const NAME: &str = "%Y%m%dT%H%M%SZ";

/// The name of a copy that is made at this time.
fn name_at(at: Timestamp) -> Result<CopyName> {
    Ok(at.to_zoned(TimeZone::UTC).strftime(NAME).to_string().parse()?)
}

/// When a copy was made; one whose name is no time counts as the oldest.
pub fn made_at(name: &CopyName) -> Timestamp {
    let broken_down = jiff::fmt::strtime::parse(NAME, name.as_str());
    let made = broken_down.and_then(|parts| parts.to_datetime()?.to_zoned(TimeZone::UTC));
    made.map_or(Timestamp::MIN, |made| made.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_when_the_copy_was_made() {
        let at: Timestamp = "2026-11-30T03:15:07Z".parse().unwrap();
        let name = name_at(at).unwrap();
        assert_eq!(name.as_str(), "20261130T031507Z");
        assert_eq!(made_at(&name), at);
        assert_eq!(made_at(&"20261399T999999Z".parse().unwrap()), Timestamp::MIN);
    }
}
