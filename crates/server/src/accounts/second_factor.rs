//! Setting up a second factor: a secret is shown, a code proves that it has arrived, and only then is it asked for.

use catalog::{TokenHash, TotpState};
use data_encoding::BASE32_NOPAD;

use super::{Accounts, totp};
use crate::error::{Error, Result};

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;
/// 80 random bits: too many to try, so that a plain hash is enough.
const RECOVERY_BYTES: usize = 10;

/// A second factor on its way to its user.
pub struct Enrolled {
    /// The address for a program that makes codes.
    pub uri: String,
    /// The secret in it, to type.
    pub secret: String,
}

impl Accounts {
    /// Gives a user a new secret. It is asked for once [`Accounts::confirm_totp`] has seen a code of it. Fails where one is asked for
    /// already.
    pub fn begin_totp(&self, user: &str) -> Result<Enrolled> {
        let found = self.catalog.user(user)?;
        if found.totp.is_some_and(|totp| totp.state == TotpState::Active) {
            return Err(Error::Busy {
                what: format!("the second factor of user {user}"),
                why: "it is in use; remove it first".to_owned(),
            });
        }
        let secret = totp::new_secret();
        self.catalog.begin_totp(user, &secret)?;
        Ok(Enrolled {
            uri: totp::uri(user, &secret),
            secret: totp::shown(&secret),
        })
    }

    /// Has a second factor asked for from now on, as this code was made with it. Returns recovery codes, which are nowhere else.
    pub fn confirm_totp(&self, user: &str, code: &str) -> Result<Vec<String>> {
        let found = self.catalog.user(user)?;
        let pending = found.totp.filter(|totp| totp.state == TotpState::Pending);
        let Some(pending) = pending else {
            return Err(Error::Invalid {
                why: format!("no second factor of user {user} waits for its first code"),
            });
        };
        let Some(step) = totp::step_of(&pending.secret, code.trim(), self.clock.now_ms()) else {
            return Err(Error::Invalid {
                why: "the code is not that of this secret and of now; are both clocks right?".to_owned(),
            });
        };
        let codes: Vec<[u8; RECOVERY_BYTES]> = (0..RECOVERY_CODES).map(|_| rand::random()).collect();
        let hashes: Vec<TokenHash> = codes.iter().map(|code| TokenHash::of(code)).collect();
        self.catalog.activate_totp(found.id, step, &hashes)?;
        Ok(codes.iter().map(shown).collect())
    }
}

/// A recovery code as people copy it: in groups of four.
fn shown(code: &[u8; RECOVERY_BYTES]) -> String {
    let text = BASE32_NOPAD.encode(code).to_lowercase();
    let groups: Vec<_> = (0..text.len()).step_by(4).map(|at| &text[at..at + 4]).collect();
    groups.join("-")
}
