//! Logging in: a password, perhaps a code, and what happens when they are wrong.
//!
//! A user who is not there takes as long as a wrong password, and is told the same. What failed is counted before anything else
//! is tried, and kept over restarts; `policy::lock_out` decides when nothing is looked at any more.

use std::net::IpAddr;
use std::time::Duration;

use catalog::{FailedLogIns, NewSession, TokenHash, TotpState, User, UserState};
use data_encoding::BASE32_NOPAD_NOCASE;
use policy::lock_out::{self, Count, Familiarity, Tally, address_key};
use policy::settings::ServerRules;

use super::password::{self, Verdict};
use super::secret::{self, Kind};
use super::{Accounts, manage, totp};
use crate::audit::{self, Actor};
use crate::error::{Error, Result};

/// How long a log-in waits for those before it.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is kept of a program's name.
const MOST_PROGRAM_CHARS: usize = 100;

/// Somebody who wants to log in.
pub struct Attempt {
    /// Who he says he is.
    pub user: String,
    /// His password.
    pub password: String,
    /// A code of his second factor, or a recovery code.
    pub code: Option<String>,
    /// From where he comes.
    pub address: IpAddr,
    /// With which program.
    pub program: String,
}

/// How a log-in ended that did not fail.
pub enum LogInEnd {
    /// A session has begun.
    LoggedIn {
        /// The user's name.
        user: String,
        /// The session's token, which is nowhere else.
        token: String,
        /// When the session ends in any case.
        expires_ms: i64,
    },
    /// The password is right, and a code is needed too.
    CodeNeeded,
}

/// What a password and a code prove.
enum Proof {
    Right,
    CodeNeeded,
    Wrong(&'static str),
}

impl Accounts {
    /// Logs somebody in, blocking. Fails with [`Error::LogInFailed`], [`Error::LockedOut`] or, where many want to log in at once,
    /// [`Error::Busy`]. Both ends are in the audit log; what is refused while log-ins are locked is not, as it would fill it.
    pub fn log_in(&self, rules: &ServerRules, attempt: &Attempt) -> Result<LogInEnd> {
        let Some(_door) = self.door.try_lock_for(PATIENCE) else {
            return Err(Error::Busy {
                what: "logging in".into(),
                why: "many want to at once; try again".into(),
            });
        };
        let name = manage::known_form(&attempt.user);
        let user = match &name {
            Some(name) => self.catalog.find_user(name)?,
            None => None,
        };
        self.check_open(rules, name.as_deref(), user.as_ref(), attempt)?;
        match self.prove(user.as_ref(), attempt)? {
            Proof::CodeNeeded => Ok(LogInEnd::CodeNeeded),
            Proof::Wrong(what) => {
                self.count_failure(rules, name.as_deref(), attempt, what)?;
                Err(Error::LogInFailed)
            }
            Proof::Right => {
                let user = user.expect("nothing is proven without a user");
                self.begin(rules, &user, attempt)
            }
        }
    }

    /// Refuses, before anything is looked at, where too much has failed.
    fn check_open(
        &self,
        rules: &ServerRules,
        name: Option<&str>,
        user: Option<&User>,
        attempt: &Attempt,
    ) -> Result<()> {
        let address = address_key(attempt.address);
        let is_known = match user {
            Some(user) => self.catalog.knows_address(user.id, &address)?,
            None => false,
        };
        let familiarity = match is_known {
            true => Familiarity::Known,
            false => Familiarity::Strange,
        };
        let mut tallies = Vec::new();
        for (count, (name, address)) in keys(name, &address) {
            let found = self.catalog.failed_log_ins(name, address)?;
            tallies.extend(found.map(|found| (count, tally(&found))));
        }
        let judged = lock_out::judge(&rules.lock_out, &tallies, familiarity, self.clock.now_ms());
        judged.map_err(|locked| {
            tracing::warn!(user = name, address, why = %locked, "a log-in was refused");
            Error::LockedOut { locked }
        })
    }

    fn prove(&self, user: Option<&User>, attempt: &Attempt) -> Result<Proof> {
        let hash = user.and_then(|user| user.password_hash.as_deref());
        let decoy = self.decoy()?;
        let verdict = password::verify(&attempt.password, hash.unwrap_or(decoy), self.cost)?;
        let (Some(user), Some(hash)) = (user, hash) else {
            return Ok(Proof::Wrong("no such user, or one without password"));
        };
        match verdict {
            Verdict::Wrong => return Ok(Proof::Wrong("a wrong password")),
            Verdict::Right => {}
            Verdict::RightButStale => {
                let fresh = password::hash(&attempt.password, self.cost)?;
                self.catalog.rehash_password(user.id, hash, &fresh)?;
            }
        }
        if user.state == UserState::Disabled {
            return Ok(Proof::Wrong("the user is disabled"));
        }
        let Some(totp) = user.totp.as_ref().filter(|totp| totp.state == TotpState::Active) else {
            return Ok(Proof::Right);
        };
        let Some(code) = &attempt.code else {
            return Ok(Proof::CodeNeeded);
        };
        Ok(match self.spend_code(user, &totp.secret, code)? {
            true => Proof::Right,
            false => Proof::Wrong("a wrong code"),
        })
    }

    /// Takes a code, or a recovery code, which is good for no other log-in then.
    fn spend_code(&self, user: &User, secret: &[u8], code: &str) -> Result<bool> {
        let code: String = code.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        if totp::is_code(&code) {
            return match totp::step_of(secret, &code, self.clock.now_ms()) {
                Some(step) => Ok(self.catalog.spend_totp_step(user.id, step)?),
                None => Ok(false),
            };
        }
        match BASE32_NOPAD_NOCASE.decode(code.as_bytes()) {
            Ok(secret) => {
                let hash = TokenHash::of(&secret);
                Ok(self.catalog.spend_recovery_code(user.id, hash)?)
            }
            Err(_) => Ok(false),
        }
    }

    /// A hash that nothing matches and that takes as long to look at as any. It is made at the first log-in, whoever that is.
    fn decoy(&self) -> Result<&str> {
        if self.decoy.get().is_none() {
            let secret: [u8; 32] = rand::random();
            let made = password::hash(&BASE32_NOPAD_NOCASE.encode(&secret), self.cost)?;
            // Only whoever holds the door gets here.
            let _ = self.decoy.set(made);
        }
        Ok(self.decoy.get().map(String::as_str).unwrap_or_default())
    }

    fn count_failure(
        &self,
        rules: &ServerRules,
        name: Option<&str>,
        attempt: &Attempt,
        what: &str,
    ) -> Result<()> {
        let (rules, now_ms) = (&rules.lock_out, self.clock.now_ms());
        let address = address_key(attempt.address);
        let mut failed = Vec::new();
        let mut detail = what.to_owned();
        for (count, (name, address)) in keys(name, &address) {
            let before = self.catalog.failed_log_ins(name, address)?;
            let after = lock_out::after_failure(rules, count, before.as_ref().map(tally), now_ms);
            if let Some(rest) = after.lock(rules, now_ms) {
                let whom = match count {
                    Count::NameFromAddress => "the user is locked out there",
                    Count::Address => "the address is locked out",
                    Count::Name => "the user is locked out where he is not known",
                };
                detail.push_str(&format!("; {whom} for {rest}"));
            }
            failed.push(FailedLogIns {
                user_name: name.to_owned(),
                address: address.to_owned(),
                failures: after.failures.into(),
                last_ms: after.last_ms,
                locked_until_ms: after.locked_until_ms,
            });
        }
        let over_before_ms = now_ms.saturating_sub_unsigned(rules.window.len_ms);
        self.catalog.note_failed_log_ins(&failed, over_before_ms)?;
        let actor = Actor {
            who: "somebody".to_owned(),
            origin: attempt.address.to_string(),
        };
        // What can't be a name may be a password that was typed into the wrong field.
        let subject = name.map_or_else(
            || "what is no user's name".to_owned(),
            |name| format!("user {name}"),
        );
        audit::record(
            &self.catalog,
            &self.clock,
            &actor,
            "log-in-failed",
            &subject,
            &detail,
        );
        Ok(())
    }

    fn begin(&self, rules: &ServerRules, user: &User, attempt: &Attempt) -> Result<LogInEnd> {
        let address = address_key(attempt.address);
        let (token, hash) = secret::make(Kind::Session);
        let now_ms = self.clock.now_ms();
        let session = NewSession {
            user: user.id,
            hash,
            address: attempt.address.to_string(),
            program: attempt.program.chars().take(MOST_PROGRAM_CHARS).collect(),
        };
        self.catalog.begin_session(&session, &address, now_ms)?;
        // Whoever knows one password has proven nothing about other names.
        self.catalog.forget_failed_log_ins(&user.name, &address)?;
        let actor = Actor {
            who: format!("user {}", user.name),
            origin: attempt.address.to_string(),
        };
        audit::record(&self.catalog, &self.clock, &actor, "log-in", &actor.who, "");
        Ok(LogInEnd::LoggedIn {
            user: user.name.clone(),
            token,
            expires_ms: rules.session_most.after(now_ms),
        })
    }

    /// Proves that whoever calls knows his password: a session that was stolen is not to be worth more than itself. Failures count as
    /// those of log-ins.
    pub fn confirm_password(
        &self,
        rules: &ServerRules,
        user: &str,
        password: String,
        address: IpAddr,
    ) -> Result<()> {
        let attempt = Attempt {
            user: user.to_owned(),
            password,
            code: None,
            address,
            program: String::new(),
        };
        let _door = self.door.lock();
        let found = self.catalog.user(user)?;
        self.check_open(rules, Some(user), Some(&found), &attempt)?;
        match self.prove(Some(&found), &attempt)? {
            Proof::Right | Proof::CodeNeeded => Ok(()),
            Proof::Wrong(what) => {
                self.count_failure(rules, Some(user), &attempt, what)?;
                Err(Error::LogInFailed)
            }
        }
    }
}

/// Where that is counted which fails of a name from an address. What is no user's name is counted by the address alone.
fn keys<'a>(name: Option<&'a str>, address: &'a str) -> impl Iterator<Item = (Count, (&'a str, &'a str))> {
    let of_name = name.map(|name| {
        [
            (Count::NameFromAddress, (name, address)),
            (Count::Name, (name, "")),
        ]
    });
    of_name
        .into_iter()
        .flatten()
        .chain([(Count::Address, ("", address))])
}

fn tally(failed: &FailedLogIns) -> Tally {
    Tally {
        failures: u32::try_from(failed.failures).unwrap_or(u32::MAX),
        last_ms: failed.last_ms,
        locked_until_ms: failed.locked_until_ms,
    }
}
