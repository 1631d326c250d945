//! Names and relative paths as bytes: what is valid, and how they are shown.
//!
//! A name from outside goes to the kernel only after [`check_name`], a path only after [`check_path`].

use std::fmt;

use crate::{Error, Result};

/// The longest name that Linux file systems take (NAME_MAX).
pub const NAME_MAX_BYTES: usize = 255;

/// Checks that `name` is a single component: not empty, `.` or `..`, without `/` and NUL, at most 255 bytes.
pub fn check_name(name: &[u8]) -> Result<()> {
    if is_name(name) {
        Ok(())
    } else {
        Err(Error::BadName { name: name.into() })
    }
}

/// Checks that `path` is empty or a sequence of valid names with single slashes between them.
pub fn check_path(path: &[u8]) -> Result<()> {
    let valid = path.is_empty() || path.split(|&byte| byte == b'/').all(is_name);
    if valid {
        Ok(())
    } else {
        Err(Error::BadPath { path: path.into() })
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX_BYTES
        && name != b"."
        && name != b".."
        && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

/// Splits a valid path into its parent's path and its last name; `None` for the empty path.
pub fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => Some((&path[..slash], &path[slash + 1..])),
        None => Some((b"", path)),
    }
}

/// Shows a name or path to people: invalid UTF-8 and control characters are escaped.
pub fn shown(name: &[u8]) -> Shown<'_> {
    Shown(name)
}

/// Displays bytes as text; made by [`shown`].
#[derive(Clone, Copy)]
pub struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() || character == '\\' {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    write!(f, "{character}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_component_are_refused() {
        let long = [b'a'; 256];
        for bad in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b", &long] {
            assert!(check_name(bad).is_err(), "{:?}", shown(bad));
        }
        for good in [&b"a"[..], b"...", b"\xff\xfe", b"a\nb", b" ", &long[..255]] {
            assert!(check_name(good).is_ok(), "{:?}", shown(good));
        }
    }

    #[test]
    fn paths_that_leave_or_repeat_are_refused() {
        for bad in [
            &b"/a"[..],
            b"a/",
            b"a//b",
            b"../a",
            b"a/../b",
            b"a/.",
            b"./a",
            b"a/b\0",
            b"/",
        ] {
            assert!(check_path(bad).is_err(), "{:?}", shown(bad));
        }
        for good in [&b""[..], b"a", b"a/b/c", b"..a/b.."] {
            assert!(check_path(good).is_ok(), "{:?}", shown(good));
        }
    }

    #[test]
    fn the_last_name_is_split_off() {
        assert_eq!(split_last(b""), None);
        assert_eq!(split_last(b"a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(split_last(b"a/b/c"), Some((&b"a/b"[..], &b"c"[..])));
    }

    #[test]
    fn shown_names_are_escaped_and_readable() {
        assert_eq!(shown("grün".as_bytes()).to_string(), "grün");
        assert_eq!(shown(b"a\nb\xff\\").to_string(), "a\\nb\\xff\\\\");
    }
}
