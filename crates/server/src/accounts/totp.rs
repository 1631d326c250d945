//! One-time codes from a clock and a secret: RFC 6238 with SHA-1, 6 digits and steps of 30 seconds, which is what all programs for it
//! speak.

use data_encoding::BASE32_NOPAD;
use ring::hmac;

const STEP_S: i64 = 30;
const DIGITS: u32 = 6;
/// How many steps a clock may be off, to each side.
const TOLERANCE: i64 = 1;
/// As long as the hash (RFC 4226, section 4, R6).
const SECRET_BYTES: usize = 20;

/// A new secret.
pub(super) fn new_secret() -> [u8; SECRET_BYTES] {
    rand::random()
}

/// A secret, to type.
pub(super) fn shown(secret: &[u8]) -> String {
    BASE32_NOPAD.encode(secret)
}

/// The address that programs for codes read, often as a picture.
pub(super) fn uri(user: &str, secret: &[u8]) -> String {
    // Of what a user's name is made of, only the at sign has to be written otherwise.
    let user = user.replace('@', "%40");
    format!(
        "otpauth://totp/Perennial:{user}?secret={}&issuer=Perennial&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
        shown(secret)
    )
}

/// The step whose code this is, if it is that of now or of one next to it.
pub(super) fn step_of(secret: &[u8], code: &str, now_ms: i64) -> Option<i64> {
    let now = now_ms.div_euclid(1000 * STEP_S);
    (now - TOLERANCE..=now + TOLERANCE).find(|step| self::code(secret, *step) == code)
}

/// Whether a text is formed like a code.
pub(super) fn is_code(text: &str) -> bool {
    text.len() == DIGITS as usize && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The code of a step (RFC 4226, section 5.3).
fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0xf);
    let mut word = [0; 4];
    word.copy_from_slice(&tag[offset..offset + 4]);
    let number = (u32::from_be_bytes(word) & 0x7fff_ffff) % 10_u32.pow(DIGITS);
    format!("{number:0width$}", width = DIGITS as usize)
}

/// The code of a time, as a program would show it.
#[cfg(test)]
pub(super) fn code_at(secret: &[u8], now_ms: i64) -> String {
    code(secret, now_ms.div_euclid(1000 * STEP_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the vectors in RFC 6238, appendix B, and of RFC 4226, appendix D.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfc() {
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (at_s, expected) in vectors {
            assert_eq!(code(SECRET, at_s / STEP_S), expected, "{at_s}");
        }
        assert_eq!(code(SECRET, 0), "755224");
        assert_eq!(code(SECRET, 9), "520489");
    }

    #[test]
    fn a_clock_may_be_off_by_one_step() {
        let at = |step: i64| step_of(SECRET, &code(SECRET, 1000), step * 30_000 + 15_000);
        assert_eq!(at(998), None);
        assert_eq!(at(999), Some(1000));
        assert_eq!(at(1000), Some(1000));
        assert_eq!(at(1001), Some(1000));
        assert_eq!(at(1002), None);
    }

    #[test]
    fn the_address_says_all_that_a_program_needs() {
        assert_eq!(
            uri("anna@example.org", SECRET),
            "otpauth://totp/Perennial:anna%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Perennial\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
