//! Names in UTF-16, as Windows has them, as bytes.

/// Writes units as UTF-8; a surrogate without its other half, which is none, becomes the three bytes that it would have there
/// (WTF-8), so that different names stay different.
pub(crate) fn utf8(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(letter) => bytes.extend(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(error) => {
                let unit = error.unpaired_surrogate();
                bytes.extend([
                    0xe0 | (unit >> 12) as u8,
                    0x80 | (unit >> 6 & 0x3f) as u8,
                    0x80 | (unit & 0x3f) as u8,
                ]);
            }
        }
    }
    bytes
}

/// Whether two names are one to a file system that does not tell capitals from small letters.
pub(crate) fn is_same_letters(one: &[u8], other: &[u8]) -> bool {
    let lower = |name: &[u8]| std::str::from_utf8(name).map(str::to_lowercase);
    match (lower(one), lower(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_become_utf8_and_stay_different_where_they_are_not_unicode() {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        assert_eq!(utf8(&units("größer 𝄞")), "größer 𝄞".as_bytes());
        assert_eq!(utf8(&[0xd800, 0x61]), [0xed, 0xa0, 0x80, b'a']);
        assert_ne!(utf8(&[0xd800]), utf8(&[0xd801]));
    }

    #[test]
    fn letters_are_compared_beyond_ascii() {
        assert!(is_same_letters(
            "GRÖSSE.TXT".as_bytes(),
            "größe.txt".replace('ß', "ss").as_bytes()
        ));
        assert!(!is_same_letters(b"a", b"b"));
        assert!(is_same_letters(b"\xffA", b"\xffa"));
    }
}
