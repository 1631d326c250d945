//! Names in addresses.

/// A name as one segment of an address: what is not surely taken for itself there becomes `%` and two hex digits (RFC 3986, section 2.1).
pub fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => segment.push(byte.into()),
            _ => {
                segment.push('%');
                segment.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
            }
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_segment() {
        assert_eq!(segment("laptop-1.lan_x~"), "laptop-1.lan_x~");
        assert_eq!(segment("große Gruppe/?#"), "gro%C3%9Fe%20Gruppe%2F%3F%23");
    }
}
