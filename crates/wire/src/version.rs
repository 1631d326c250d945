//! Which versions of the protocol this build speaks, and how two peers agree on one.
//!
//! | version | since | change |
//! |---|---|---|
//! | 1 | 0.1.0 | first |

use std::ops::RangeInclusive;

/// The versions that this build speaks.
pub const SPOKEN: RangeInclusive<u32> = 1..=1;

/// By this a program is known as one of ours without being run, and its version: whoever keeps programs for others looks for it among
/// their bytes.
pub static BUILD_MARK: &str = concat!("\0perennial-build:", env!("CARGO_PKG_VERSION"), "\0");

/// The peer speaks no version that this build does.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the peer speaks protocol versions {theirs_min} to {theirs_max}, this build {} to {}; update the older of the two",
    SPOKEN.start(), SPOKEN.end()
)]
pub struct NoCommonVersion {
    /// The lowest version that the peer offered.
    pub theirs_min: u32,
    /// The highest version that the peer offered.
    pub theirs_max: u32,
}

/// Picks the highest version that both speak.
pub fn negotiate(theirs_min: u32, theirs_max: u32) -> Result<u32, NoCommonVersion> {
    let version = theirs_max.min(*SPOKEN.end());
    if version >= theirs_min && SPOKEN.contains(&version) && theirs_min <= theirs_max {
        Ok(version)
    } else {
        Err(NoCommonVersion {
            theirs_min,
            theirs_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen() {
        assert_eq!(negotiate(1, 9), Ok(1));
        assert_eq!(negotiate(1, 1), Ok(1));
    }

    #[test]
    fn no_common_version_is_refused_with_both_ranges() {
        let refused = negotiate(7, 9).unwrap_err();
        assert!(refused.to_string().contains("7 to 9"));
        assert!(negotiate(0, 0).is_err());
        assert!(negotiate(3, 1).is_err());
    }
}
