//! When log-ins are refused because too many have failed.
//!
//! Failures are counted three times: for a user's name from one address, for an address, and for a name from anywhere. The first
//! count is strict: it stops whoever guesses a password, and locks nobody else out. The second stops an address that tries many
//! names. The third is lenient and only there for guesses from many addresses at once; as anybody can fill it, it does not hold
//! back a user from where he has logged in before.
//!
//! ```text
//! open ─ as many failures as may be, none of them forgotten ─▶ locked ─ time ─▶ open, and each further failure locks for
//!   ▲                                                                             twice as long
//!   └──────── a log-in, or nothing failed for a while (the window) ──────────────────┘
//! ```

use core::net::{IpAddr, Ipv6Addr};
use std::fmt;

use crate::Span;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Failures of a name from one address.
    NameFromAddress,
    /// Failures from one address, of any name.
    Address,
    /// Failures of a name from anywhere.
    Name,
}

impl Count {
    /// All there are, the strictest first.
    pub const ALL: [Self; 3] = [Self::NameFromAddress, Self::Address, Self::Name];
}

/// When log-ins are refused, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many failures of a name from one address lock it there.
    pub tries: u32,
    /// So many failures from one address lock all of it.
    pub tries_address: u32,
    /// So many failures of a name from anywhere lock it, but where it is known.
    pub tries_name: u32,
    /// Failures are forgotten when there were no more for so long.
    pub window: Span,
    /// How long the first lock lasts; each further failure doubles it.
    pub first: Span,
    /// How long a lock lasts at most.
    pub most: Span,
}

impl Rules {
    fn tries(&self, count: Count) -> u32 {
        match count {
            Count::NameFromAddress => self.tries,
            Count::Address => self.tries_address,
            Count::Name => self.tries_name,
        }
    }
}

/// What has failed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How often, since it was last forgotten.
    pub failures: u32,
    /// When it failed last.
    pub last_ms: i64,
    /// Until when log-ins are refused for it; not in the future where they are not.
    pub locked_until_ms: i64,
}

/// Whether a user has logged in from an address before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Familiarity {
    /// He has.
    Known,
    /// He has not, or there is no such user.
    Strange,
}

/// Why a log-in is refused before the password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked {
    /// What was counted.
    pub count: Count,
    /// How long it lasts from now on.
    pub rest: Span,
}

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever reads it is never told that it lasts 0 s.
        let rest = Span {
            len_ms: self.rest.len_ms.div_ceil(1000) * 1000,
        };
        match self.count {
            Count::NameFromAddress => write!(f, "too many log-ins of this user have failed from here"),
            Count::Address => write!(f, "too many log-ins have failed from here"),
            Count::Name => write!(f, "too many log-ins of this user have failed"),
        }?;
        write!(f, "; try again in {rest}")
    }
}

/// Decides whether a log-in may be tried, after what has failed so far.
pub fn judge(
    rules: &Rules,
    tallies: &[(Count, Tally)],
    familiarity: Familiarity,
    now_ms: i64,
) -> Result<(), Locked> {
    let counts = |count: &Count| *count != Count::Name || familiarity == Familiarity::Strange;
    let locks = tallies.iter().filter(|(count, _)| counts(count));
    let longest = locks
        .filter_map(|(count, tally)| Some((*count, tally.lock(rules, now_ms)?)))
        .max_by_key(|(_, rest)| *rest);
    match longest {
        Some((count, rest)) => Err(Locked { count, rest }),
        None => Ok(()),
    }
}

/// What holds after one more failure.
pub fn after_failure(rules: &Rules, count: Count, tally: Option<Tally>, now_ms: i64) -> Tally {
    let before = match tally {
        Some(tally) if !tally.is_forgotten(rules, now_ms) => tally.failures,
        _ => 0,
    };
    let failures = before.saturating_add(1);
    let locked_until_ms = match failures.checked_sub(rules.tries(count)) {
        Some(beyond) => rules.lock(beyond).after(now_ms),
        None => now_ms,
    };
    Tally {
        failures,
        last_ms: now_ms,
        locked_until_ms,
    }
}

impl Rules {
    /// How long a lock lasts after so many failures more than locked for the first time.
    fn lock(&self, beyond: u32) -> Span {
        let doubled = 1_u64
            .checked_shl(beyond)
            .and_then(|times| self.first.len_ms.checked_mul(times));
        Span {
            len_ms: doubled.unwrap_or(u64::MAX).min(self.most.len_ms),
        }
    }
}

impl Tally {
    /// How long log-ins are still refused. A lock that is longer than any can be is from before the clock was put back.
    pub fn lock(&self, rules: &Rules, now_ms: i64) -> Option<Span> {
        let rest = Span::between(now_ms, self.locked_until_ms);
        (rest.len_ms > 0 && rest <= rules.most).then_some(rest)
    }

    /// Whether it counts no more.
    pub fn is_forgotten(&self, rules: &Rules, now_ms: i64) -> bool {
        let from_ms = self.last_ms.max(self.locked_until_ms);
        let is_of_the_future = self.last_ms > now_ms;
        is_of_the_future || rules.window.after(from_ms) <= now_ms
    }
}

/// What counts as one address: an IPv4 address, or the network of 64 bits that one subscriber of IPv6 has.
pub fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            let network = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
            format!("{network}/64")
        }
    }
}
