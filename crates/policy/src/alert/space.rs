//! How the storage's free space is found.

use super::{Finding, Found, What};
use crate::quota::Quota;

/// Whether there is still something that can be given up for space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhaustion {
    /// There is, or nothing had to be.
    NotYet,
    /// All that is left is protected, and there is too little free space.
    Exhausted,
}

/// Free space, and how much there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceLimits {
    /// What is free.
    pub free_bytes: u64,
    /// The size of the storage, free or not.
    pub total_bytes: u64,
    /// With less free space than this, that is told.
    pub alert_free: Quota,
}

/// Tells what is wrong with the storage's free space. `told` is what was told last: space is enough again when there is a tenth more
/// than what is too little, so that a storage at the edge does not make for a message each time that something comes or goes.
pub fn of_space(space: &SpaceLimits, exhaustion: Exhaustion, told: Option<What>) -> Found {
    let wrong = |what| Found::Wrong(Finding::of(what));
    if exhaustion == Exhaustion::Exhausted {
        return wrong(What::SpaceOut);
    }
    let Some(least_bytes) = space.alert_free.limit_bytes(space.total_bytes) else {
        return Found::Well;
    };
    let wanted_bytes = match told {
        Some(_) => least_bytes.saturating_add(least_bytes / 10),
        None => least_bytes,
    };
    match space.free_bytes < wanted_bytes {
        true => wrong(What::SpaceLow),
        false => Found::Well,
    }
}
