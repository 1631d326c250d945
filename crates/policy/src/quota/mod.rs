//! How much space may be used, by how much it is exceeded, and what is removed to keep to it.
//!
//! Quotas are soft: what retention protects stays, and what is then still too much is told.

mod meet;
mod size;

use std::fmt;
use std::str::FromStr;

pub use meet::{Account, Deletion, Over, Rest, Scope, Settlement, Unmet, to_meet};
pub use size::{ParseQuotaError, Share};

/// How much space may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Quota {
    /// As much as there is.
    #[default]
    Off,
    /// So much.
    Bytes(u64),
    /// A share of the storage's total size.
    Share(Share),
}

/// How much of something is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is used.
    pub used_bytes: u64,
    /// The total size of the storage, free or not.
    pub capacity_bytes: u64,
}

impl Quota {
    /// The most that may be used of a storage of this size; `None` for no limit.
    pub fn limit_bytes(&self, capacity_bytes: u64) -> Option<u64> {
        match self {
            Self::Off => None,
            Self::Bytes(bytes) => Some(*bytes),
            Self::Share(share) => Some(share.of_bytes(capacity_bytes)),
        }
    }

    /// By how much the quota is exceeded; 0 if it isn't.
    pub fn excess_bytes(&self, usage: Usage) -> u64 {
        self.limit_bytes(usage.capacity_bytes)
            .map_or(0, |limit_bytes| usage.used_bytes.saturating_sub(limit_bytes))
    }
}

impl FromStr for Quota {
    type Err = ParseQuotaError;

    /// Reads `off`, a share such as `10%` or `2.5%`, or a size in binary units such as `20G`, `1.5T`, `500 MiB`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text == "off" {
            return Ok(Self::Off);
        }
        match text.strip_suffix('%') {
            Some(percent) => size::parse_share(percent.trim_end()).map(Self::Share),
            None => size::parse_bytes(text).map(Self::Bytes),
        }
    }
}

/// The text that gives the same quota again.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Bytes(bytes) => size::write_bytes(f, *bytes),
            Self::Share(share) => share.fmt(f),
        }
    }
}
