//! How clients that could begin at once are spread, so that they do not.

use super::Target;
use crate::Span;

/// 2^64 divided by the golden ratio: its multiples lie evenly, however many there are.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// How long one client's target waits after others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    /// All the time that clients are spread over.
    over: Span,
    /// Where the client lies in it: a fraction of 2^64.
    place: u64,
}

impl Jitter {
    /// No wait.
    pub const NONE: Self = Self {
        over: Span::minutes(0),
        place: 0,
    };

    /// The wait of the client that the seed stands for, if clients are spread over that time.
    pub fn new(over: Span, seed: u64, target: Target) -> Self {
        let number = match target {
            Target::Files => 0,
            Target::Image => 1,
        };
        let place = seed.wrapping_mul(2).wrapping_add(number).wrapping_mul(GOLDEN);
        Self { over, place }
    }

    /// The wait.
    pub fn wait(self) -> Span {
        self.wait_within(self.over)
    }

    /// The wait if clients are to be spread over no more than that time: all wait less, none piles up at the end.
    pub fn wait_within(self, limit: Span) -> Span {
        let over_ms = self.over.min(limit).len_ms;
        let wait_ms = (u128::from(self.place) * u128::from(over_ms)) >> 64;
        Span {
            len_ms: u64::try_from(wait_ms).expect("a part of a u64 is one"),
        }
    }
}
