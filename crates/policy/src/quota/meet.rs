//! What is removed so that clients and the storage keep to their quotas.

use std::fmt;

use jiff::tz::TimeZone;

use super::{Quota, Usage};
use crate::Target;
use crate::retention::trash::Trashed;
use crate::retention::{Sacrifice, Series, Why, emergency};

/// A client with its quota and all that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account<C, K> {
    /// What the caller knows the client by.
    pub client: C,
    /// How much it may use.
    pub quota: Quota,
    /// How much it uses, its trash included.
    pub used_bytes: u64,
    /// What it has in the trash.
    pub trash: Vec<Trashed<K>>,
    /// Its backups, a series for each target.
    pub series: Vec<Series<K>>,
}

/// What a quota is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope<C> {
    /// What one client uses.
    Client(C),
    /// What is used of the storage as a whole.
    Storage,
}

/// The quota that is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over<C> {
    /// What it is for.
    pub scope: Scope<C>,
    /// How much that is.
    pub quota: Quota,
}

/// A backup that goes to keep to a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion<C, K> {
    /// Whose it is.
    pub client: C,
    /// What the caller knows it by.
    pub key: K,
    /// What it is of.
    pub target: Target,
    /// What its removal alone frees, where that is known.
    pub freed_bytes: Option<u64>,
    /// Why something has to go.
    pub over: Over<C>,
    /// Why it, and not another one.
    pub why: Why,
}

impl<C, K> fmt::Display for Deletion<C, K> {
    /// Writes the reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.over.scope {
            Scope::Client(_) => "the client",
            Scope::Storage => "the storage",
        };
        write!(f, "{who} is over its quota of {}; {}", self.over.quota, self.why)
    }
}

/// What keeps a quota from being met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// All the rest is protected.
    Shortfall {
        /// So much is still too much.
        missing_bytes: u64,
    },
    /// What the last deletion frees is unknown: the usage has to be measured before more is removed.
    Unmeasured,
}

/// A quota that the deletions are not known to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmet<C> {
    /// Which one.
    pub over: Over<C>,
    /// What is left.
    pub rest: Rest,
}

impl<C> fmt::Display for Unmet<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quota = self.over.quota;
        match self.rest {
            Rest::Shortfall { missing_bytes } => write!(
                f,
                "{} too much for a quota of {quota}, and all that is left is protected",
                Quota::Bytes(missing_bytes)
            ),
            Rest::Unmeasured => write!(
                f,
                "what the deletions free for a quota of {quota} has to be measured"
            ),
        }
    }
}

/// What is removed, and which quotas are not met by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement<C, K> {
    /// What goes, in this order.
    pub deletions: Vec<Deletion<C, K>>,
    /// The quotas that are still exceeded, or may be.
    pub unmet: Vec<Unmet<C>>,
}

/// Chooses what is removed so that each client keeps to its quota and all together keep to the storage's.
///
/// Backups go in the order of an [`emergency`], first those of the clients that are over their own quota, then
/// any client's. What backups free together is at least the sum of what each frees alone, so the list may be longer
/// than need be: whoever follows it can measure after each deletion, and stop when the quota is met.
pub fn to_meet<C: Clone, K>(
    quota: Quota,
    storage: Usage,
    accounts: Vec<Account<C, K>>,
    zone: &TimeZone,
    now_ms: i64,
) -> Settlement<C, K> {
    let mut clients = Vec::with_capacity(accounts.len());
    let mut debts = Vec::with_capacity(accounts.len());
    let (mut trash, mut series) = (Vec::new(), Vec::new());
    for (owner, account) in accounts.into_iter().enumerate() {
        let usage = Usage {
            used_bytes: account.used_bytes,
            ..storage
        };
        let own = |key: K| (owner, key);
        trash.extend(account.trash.into_iter().map(|trashed| trashed.map_key(own)));
        series.extend(account.series.into_iter().map(|series| series.map_keys(own)));
        debts.push(Debt::new(
            Scope::Client(account.client.clone()),
            account.quota,
            usage,
        ));
        clients.push(account.client);
    }
    let mut whole = Debt::new(Scope::Storage, quota, storage);
    let mut deletions = Vec::new();
    let mut left = Vec::new();
    for sacrifice in emergency(trash, series, zone, now_ms) {
        let owner = sacrifice.key.0;
        if debts[owner].is_open() {
            debts[owner].pay(sacrifice.freed_bytes);
            whole.pay(sacrifice.freed_bytes);
            deletions.push(deletion(sacrifice, &clients, &debts[owner].over));
        } else {
            left.push(sacrifice);
        }
    }
    for sacrifice in left {
        if !whole.is_open() {
            break;
        }
        whole.pay(sacrifice.freed_bytes);
        deletions.push(deletion(sacrifice, &clients, &whole.over));
    }
    debts.push(whole);
    Settlement {
        deletions,
        unmet: debts.into_iter().filter_map(Debt::unmet).collect(),
    }
}

/// The deletion of what the client of this index gives up.
fn deletion<C: Clone, K>(sacrifice: Sacrifice<(usize, K)>, clients: &[C], over: &Over<C>) -> Deletion<C, K> {
    let (owner, key) = sacrifice.key;
    Deletion {
        client: clients[owner].clone(),
        key,
        target: sacrifice.target,
        freed_bytes: sacrifice.freed_bytes,
        over: over.clone(),
        why: sacrifice.why,
    }
}

/// A quota and what is still to be freed for it.
struct Debt<C> {
    over: Over<C>,
    missing_bytes: u64,
    measure: Measure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Known,
    Lost,
}

impl<C> Debt<C> {
    fn new(scope: Scope<C>, quota: Quota, usage: Usage) -> Self {
        Self {
            missing_bytes: quota.excess_bytes(usage),
            over: Over { scope, quota },
            measure: Measure::Known,
        }
    }

    fn is_open(&self) -> bool {
        self.missing_bytes > 0 && self.measure == Measure::Known
    }

    fn pay(&mut self, freed_bytes: Option<u64>) {
        match freed_bytes {
            Some(freed_bytes) => self.missing_bytes = self.missing_bytes.saturating_sub(freed_bytes),
            None => self.measure = Measure::Lost,
        }
    }

    fn unmet(self) -> Option<Unmet<C>> {
        if self.missing_bytes == 0 {
            return None;
        }
        let rest = match self.measure {
            Measure::Known => Rest::Shortfall {
                missing_bytes: self.missing_bytes,
            },
            Measure::Lost => Rest::Unmeasured,
        };
        Some(Unmet {
            over: self.over,
            rest,
        })
    }
}
