//! The records before a header (pax, "extended header"): `LENGTH KEY=VALUE\n` each, the length in decimal, its own digits included.

/// The records of a member.
#[derive(Debug, Default)]
pub struct Records {
    encoded: Vec<u8>,
    has_bytes: bool,
}

impl Records {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// Adds one.
    pub fn add(&mut self, key: &str, value: &[u8]) {
        self.add_raw(key.as_bytes(), value);
    }

    /// Adds one that is taken for UTF-8, as long as nothing else is said.
    pub fn add_text(&mut self, key: &str, value: &[u8]) {
        self.has_bytes |= std::str::from_utf8(value).is_err();
        self.add(key, value);
    }

    /// Adds an extended attribute. Its name may have what ends a key: that is written as GNU tar does it.
    pub fn add_xattr(&mut self, name: &[u8], value: &[u8]) {
        let mut key = b"SCHILY.xattr.".to_vec();
        for &byte in name {
            match byte {
                b'%' => key.extend_from_slice(b"%25"),
                b'=' => key.extend_from_slice(b"%3D"),
                _ => key.push(byte),
            }
        }
        self.add_raw(&key, value);
    }

    fn add_raw(&mut self, key: &[u8], value: &[u8]) {
        put(&mut self.encoded, key, value);
    }

    /// Their bytes.
    pub fn finish(self) -> Vec<u8> {
        if !self.has_bytes {
            return self.encoded;
        }
        // It is about the records behind it.
        let mut all = Vec::with_capacity(self.encoded.len() + 21);
        put(&mut all, b"hdrcharset", b"BINARY");
        all.extend_from_slice(&self.encoded);
        all
    }
}

fn put(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // Space, equals sign and line feed.
    let rest = key.len() + value.len() + 3;
    let mut len = rest + digits(rest);
    // The digits may be what takes one more digit.
    if digits(len) > digits(rest) {
        len = rest + digits(len);
    }
    out.extend_from_slice(len.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_its_own_digits() {
        for len in (0..200).chain(900..1100).chain(9980..10_020) {
            let mut records = Records::default();
            records.add("k", &vec![b'v'; len]);
            let encoded = records.finish();
            let digits: Vec<u8> = encoded.iter().copied().take_while(|byte| *byte != b' ').collect();
            let told: usize = String::from_utf8(digits)
                .expect("digits")
                .parse()
                .expect("digits");
            assert_eq!(told, encoded.len());
        }
    }

    #[test]
    fn what_is_not_text_is_said_first() {
        let mut records = Records::default();
        records.add_text("path", b"a");
        records.add_text("linkpath", b"\xff");
        assert_eq!(
            records.finish(),
            b"21 hdrcharset=BINARY\n9 path=a\n14 linkpath=\xff\n"
        );
    }

    #[test]
    fn names_of_attributes_can_have_what_ends_a_key() {
        let mut records = Records::default();
        records.add_xattr(b"user.a=%", b"=\n\0");
        assert_eq!(records.finish(), b"33 SCHILY.xattr.user.a%3D%25==\n\0\n");
    }
}
