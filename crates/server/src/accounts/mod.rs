//! Users: their passwords, second factors, sessions and API tokens, and what they may do.
//!
//! ```text
//! name and password (and code) ──log_in──▶ session token ┐
//!                                          API token ────┴─authenticate─▶ Principal ──▶ policy decides, call by call
//! ```
//! It knows nothing of how calls come in, so that every interface asks the same. Nothing of users is remembered between calls:
//! what is taken away counts at once.
//!
//! Lock order: setting up, the door, which lets in one log-in at a time, then the catalog.

mod authenticate;
mod log_in;
mod manage;
mod password;
mod principal;
mod second_factor;
mod secret;
mod set_up;
mod totp;

use std::sync::{Arc, OnceLock};

use catalog::Catalog;
use parking_lot::Mutex;
use policy::Span;
use policy::settings::ServerRules;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::error::{Error, Result};

pub use authenticate::{ends_ms, known_rights};
pub use log_in::{Attempt, LogInEnd};
pub use manage::NewToken;
pub use password::PasswordCost;
pub use principal::{By, Principal};
pub use set_up::FirstUser;

/// For how long it is remembered from where a user has logged in.
const KNOWN_FOR: Span = Span::days(90);
/// How many may wait to log in.
const PLACES: usize = 16;

/// The users of a server.
pub struct Accounts {
    catalog: Arc<Catalog>,
    clock: Clock,
    cost: PasswordCost,
    /// Places for those who want to log in: whoever waits takes a thread.
    queue: Semaphore,
    /// Held while a password is looked at: that takes much memory, and no two guesses are counted as one.
    door: Mutex<()>,
    /// The hash that is looked at where there is no user, or none with a password.
    decoy: OnceLock<String>,
    /// What the first user has to bring.
    set_up: OnceLock<String>,
    /// Held while the first user is added: there is one.
    setting_up: Mutex<()>,
}

impl Accounts {
    /// Those that the catalog has. `cost` is what new hashes of passwords take.
    pub fn new(catalog: Arc<Catalog>, clock: Clock, cost: PasswordCost) -> Self {
        Self {
            catalog,
            clock,
            cost,
            queue: Semaphore::new(PLACES),
            door: Mutex::default(),
            decoy: OnceLock::new(),
            set_up: OnceLock::new(),
            setting_up: Mutex::default(),
        }
    }

    /// A place to wait at the door, to be had before a thread is taken for it. Fails with [`Error::Busy`] where all are taken.
    pub fn queue(&self) -> Result<SemaphorePermit<'_>> {
        self.queue.try_acquire().map_err(|_| Error::Busy {
            what: "logging in".into(),
            why: "many want to at once; try again".into(),
        })
    }

    /// Forgets sessions that have ended, and from where nobody has logged in for long.
    pub fn prune(&self, rules: &ServerRules) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let before = |span: Span| now_ms.saturating_sub_unsigned(span.len_ms);
        self.catalog.prune_sessions(
            before(rules.session_most),
            before(rules.session_idle),
            before(KNOWN_FOR),
        )?;
        let lock_out = &rules.lock_out;
        self.catalog.note_failed_log_ins(&[], before(lock_out.window))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
