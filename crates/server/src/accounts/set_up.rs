//! The first user of a server that nobody can log in to yet: whoever brings the code that the server has told to who has started it.

use std::net::IpAddr;

use catalog::{RoleGrant, Scope, TokenHash, User};
use data_encoding::BASE32_NOPAD;
use policy::settings::ServerRules;

use super::Accounts;
use super::log_in::{Attempt, LogInEnd};
use crate::audit::{self, Actor};
use crate::error::{Error, Result};

/// So much of it that nobody can guess it.
const CODE_BYTES: usize = 10;
/// The role of the first user.
const ROLE: &str = "administrator";

/// Somebody who wants to be the first user.
pub struct FirstUser {
    /// The code.
    pub code: String,
    /// What he wants to be called.
    pub user: String,
    /// His password.
    pub password: String,
    /// From where he comes.
    pub address: IpAddr,
    /// With which program.
    pub program: String,
}

impl Accounts {
    /// The code for the first user; `None` once there is one who can log in. It is another one in each run of the server.
    pub fn set_up_code(&self) -> Result<Option<String>> {
        let can_log_in = |user: &User| user.password_hash.is_some();
        if self.catalog.users()?.iter().any(can_log_in) {
            return Ok(None);
        }
        let code = self.set_up.get_or_init(|| {
            let random: [u8; CODE_BYTES] = rand::random();
            in_groups(&BASE32_NOPAD.encode(&random))
        });
        Ok(Some(code.clone()))
    }

    /// Adds the first user and logs him in, blocking. Fails with [`Error::Denied`] where the code is wrong or there is a user.
    pub fn set_up(&self, rules: &ServerRules, first: FirstUser) -> Result<LogInEnd> {
        // Hashes, since how long comparing them takes tells nothing.
        let hash = |code: &str| {
            let characters = code.chars().filter(char::is_ascii_alphanumeric);
            let bare: String = characters
                .map(|character| character.to_ascii_uppercase())
                .collect();
            TokenHash::of(bare.as_bytes())
        };
        let _alone = self.setting_up.lock();
        let Some(code) = self.set_up_code()? else {
            return Err(Error::Denied {
                why: "this server is set up: log in as one of its users".to_owned(),
            });
        };
        if hash(&first.code) != hash(&code) {
            tracing::warn!(address = %first.address, "a wrong code for the first user was refused");
            return Err(Error::Denied {
                why: "the code is not the one that the server has told since its last start".to_owned(),
            });
        }
        self.add_user(&first.user, Some(&first.password))?;
        let grant = RoleGrant {
            role: ROLE.to_owned(),
            scope: Scope::Everything,
        };
        self.grant(&first.user, &grant)?;
        let actor = Actor {
            who: "whoever has set up the server".to_owned(),
            origin: first.address.to_string(),
        };
        audit::record(
            &self.catalog,
            &self.clock,
            &actor,
            "user-add",
            &first.user,
            "the first one",
        );
        let attempt = Attempt {
            user: first.user,
            password: first.password,
            code: None,
            address: first.address,
            program: first.program,
        };
        self.log_in(rules, &attempt)
    }
}

fn in_groups(code: &str) -> String {
    let groups: Vec<&str> = code
        .as_bytes()
        .chunks(4)
        .map(|group| std::str::from_utf8(group).expect("base 32 is ASCII"))
        .collect();
    groups.join("-")
}
