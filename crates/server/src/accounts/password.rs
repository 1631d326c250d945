//! Passwords, as hashes in PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
//!
//! The cost is in the string, so it may change: who logs in with a hash of another cost gets a new one.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::{Error, Result};

/// Shorter passwords are not taken. What they are made of is nobody's business (NIST SP 800-63B, 3.1.1.2).
const LEAST_CHARS: usize = 10;
/// Nobody needs longer ones, and hashing them would take time.
const MOST_BYTES: usize = 1024;

/// What hashing a password takes: Argon2id, RFC 9106.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory.
    pub memory_kib: u32,
    /// How often it is gone over.
    pub passes: u32,
    /// How many parts of it could be filled at a time.
    pub lanes: u32,
}

impl Default for PasswordCost {
    /// 19 MiB, 2 passes, 1 lane: the least that OWASP recommends, about 25 ms. One log-in is looked at at a time, so this is also
    /// all the memory that guesses can take.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// What a password proved to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another one.
    Wrong,
    /// The one.
    Right,
    /// The one, and its hash has another cost than new ones.
    RightButStale,
}

/// Refuses what can't be a password.
pub(super) fn check(password: &str) -> Result<()> {
    if password.chars().count() < LEAST_CHARS {
        return Err(Error::Invalid {
            why: format!("a password has at least {LEAST_CHARS} characters"),
        });
    }
    if password.len() > MOST_BYTES {
        return Err(Error::Invalid {
            why: format!("a password has at most {MOST_BYTES} bytes"),
        });
    }
    Ok(())
}

/// Hashes a password with a fresh salt.
pub(super) fn hash(password: &str, cost: PasswordCost) -> Result<String> {
    let salt: [u8; 16] = rand::random();
    let hashed = hasher(cost)?.hash_password_with_salt(password.as_bytes(), &salt);
    hashed
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|source| Error::Password { source })
}

/// Compares a password with a hash. One that can't be read matches nothing.
pub(super) fn verify(password: &str, hash: &str, cost: PasswordCost) -> Result<Verdict> {
    // A password that nobody can have is not worth the time that hashing it would take.
    let (password, may_match) = match password.len() > MOST_BYTES {
        true => ("", false),
        false => (password, true),
    };
    let Ok(parsed) = PasswordHash::new(hash) else {
        return Ok(Verdict::Wrong);
    };
    let hasher = hasher(cost)?;
    if hasher.verify_password(password.as_bytes(), &parsed).is_err() || !may_match {
        return Ok(Verdict::Wrong);
    }
    let is_fresh = Params::try_from(&parsed).is_ok_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost()) == (cost.memory_kib, cost.passes, cost.lanes)
    });
    Ok(
        match is_fresh && parsed.algorithm.as_str() == Algorithm::Argon2id.as_str() {
            true => Verdict::Right,
            false => Verdict::RightButStale,
        },
    )
}

fn hasher(cost: PasswordCost) -> Result<Argon2<'static>> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None);
    let params = params.map_err(|_| Error::Invalid {
        why: "passwords can't be hashed at this cost".to_owned(),
    })?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    #[test]
    fn a_password_is_told_from_others() {
        let hash = hash("correct horse", CHEAP).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_eq!(verify("correct horse", &hash, CHEAP).unwrap(), Verdict::Right);
        for wrong in ["", "correct horsf", "correct horse "] {
            assert_eq!(verify(wrong, &hash, CHEAP).unwrap(), Verdict::Wrong, "{wrong:?}");
        }
        assert_ne!(super::hash("correct horse", CHEAP).unwrap(), hash, "it is salted");
    }

    #[test]
    fn another_cost_is_noticed() {
        let hash = hash("correct horse", CHEAP).unwrap();
        let dearer = PasswordCost { passes: 2, ..CHEAP };
        assert_eq!(
            verify("correct horse", &hash, dearer).unwrap(),
            Verdict::RightButStale
        );
    }

    #[test]
    fn what_is_no_hash_matches_nothing() {
        for text in ["", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$"] {
            assert_eq!(verify("", text, CHEAP).unwrap(), Verdict::Wrong, "{text:?}");
        }
    }

    #[test]
    fn a_vector_of_another_implementation_is_verified() {
        // From the reference implementation's tests: argon2id, version 19, 256 KiB, 2 passes, "password", "somesalt".
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(verify("password", hash, CHEAP).unwrap(), Verdict::RightButStale);
        assert_eq!(verify("passwore", hash, CHEAP).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(check("123456789").is_err());
        assert!(check("ääääääääää").is_ok());
        assert!(check(&"x".repeat(1024)).is_ok());
        assert!(check(&"x".repeat(1025)).is_err());
        let hash = hash("", CHEAP).unwrap();
        assert_eq!(verify(&"x".repeat(5000), &hash, CHEAP).unwrap(), Verdict::Wrong);
    }
}
