//! The tokens that users and scripts show: how they look, and what is kept of them.
//!
//! ```text
//! perennial_session_ SECRET CHECK     of a log-in
//! perennial_api_     SECRET CHECK     of a script
//! ```
//! SECRET is 256 random bits in base32 (RFC 4648, small letters, no padding: 52 characters), CHECK the CRC-32 of all before it, in the same
//! way (7 characters). So programs that look for secrets find them, know that they are some, and a double click selects all.

use catalog::TokenHash;
use crc::{CRC_32_ISO_HDLC, Crc};
use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const SECRET_CHARS: usize = 52;
const CHECK_CHARS: usize = 7;

/// What a token is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Session,
    Api,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Session => "perennial_session_",
            Self::Api => "perennial_api_",
        }
    }
}

/// Makes a token: its text, and what it is known by.
pub(super) fn make(kind: Kind) -> (String, TokenHash) {
    let secret: [u8; 32] = rand::random();
    (text(kind, &secret), TokenHash::of(&secret))
}

/// Reads a token: what it is of, and what it is known by. `None` for what is none, or was not copied as a whole.
pub(super) fn read(text: &str) -> Option<(Kind, TokenHash)> {
    let text = text.trim();
    let kind = [Kind::Session, Kind::Api]
        .into_iter()
        .find(|kind| text.starts_with(kind.prefix()))?;
    let (head, check) = text.split_at_checked(kind.prefix().len() + SECRET_CHARS)?;
    if check != checksum(head) {
        return None;
    }
    let secret = BASE32_NOPAD_NOCASE
        .decode(&head.as_bytes()[kind.prefix().len()..])
        .ok()?;
    Some((kind, TokenHash::of(&secret)))
}

fn text(kind: Kind, secret: &[u8; 32]) -> String {
    let mut text = kind.prefix().to_owned();
    text.push_str(&BASE32_NOPAD.encode(secret).to_lowercase());
    text.push_str(&checksum(&text));
    text
}

fn checksum(head: &str) -> String {
    let sum = CHECKSUM.checksum(head.as_bytes()).to_be_bytes();
    let text = BASE32_NOPAD.encode(&sum).to_lowercase();
    debug_assert_eq!(text.len(), CHECK_CHARS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_looks_as_is_written_down() {
        for kind in [Kind::Session, Kind::Api] {
            let (text, hash) = make(kind);
            assert_eq!(read(&format!(" {text}\n")), Some((kind, hash)));
            let rest = text.strip_prefix(kind.prefix()).unwrap();
            assert_eq!(rest.len(), SECRET_CHARS + CHECK_CHARS);
            assert!(
                rest.chars()
                    .all(|c| c.is_ascii_lowercase() || ('2'..='7').contains(&c))
            );
        }
        // Frozen: tokens outlive versions.
        assert_eq!(
            text(Kind::Api, &[7; 32]),
            "perennial_api_a4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqknuu5sy"
        );
    }

    #[test]
    fn what_was_not_copied_as_a_whole_is_no_token() {
        let (text, _) = make(Kind::Api);
        for len in 0..text.len() {
            assert_eq!(read(&text[..len]), None, "{len}");
        }
        let other = text.replace("_api_", "_session_");
        assert_eq!(read(&other), None);
        for wrong in ["", "perennial_", "perennial_api_ä", &"ä".repeat(100)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let mut flipped = text.into_bytes();
        flipped[20] = if flipped[20] == b'a' { b'b' } else { b'a' };
        assert_eq!(read(&String::from_utf8(flipped).unwrap()), None);
    }
}
