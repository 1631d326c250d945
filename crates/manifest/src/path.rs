//! Paths inside a backup: bytes, relative, components separated by '/'; the empty path is the backup's root.

use std::cmp::Ordering;

use crate::error::{Error, Result};

/// Longest name of an entry (Linux: NAME_MAX).
pub const MAX_NAME_BYTES: usize = 255;
/// Longest path of a directory. Far beyond PATH_MAX, which limits a call and not a tree.
pub const MAX_PATH_BYTES: usize = 1 << 20;

/// Compares two paths component by component, by bytes: the order of directories in a manifest.
///
/// A directory comes before everything beneath it, and all that is beneath it before its next sibling.
pub fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    // The separator sorts below every byte of a name, and the end of a path below the separator.
    fn rank(byte: u8) -> u16 {
        if byte == b'/' { 0 } else { u16::from(byte) + 1 }
    }
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((&x, &y)) => rank(x).cmp(&rank(y)),
        None => a.len().cmp(&b.len()),
    }
}

/// Whether `path` lies beneath `directory`, or is it.
pub fn is_beneath(path: &[u8], directory: &[u8]) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
}

/// Splits a path into its parent directory and its name; `None` for the root.
pub fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => Some((&path[..at], &path[at + 1..])),
        None if path.is_empty() => None,
        None => Some((b"", path)),
    }
}

/// Puts a directory's path and a name together.
pub fn join_path(directory: &[u8], name: &[u8]) -> Box<[u8]> {
    if directory.is_empty() {
        return name.into();
    }
    [directory, b"/", name].concat().into()
}

/// Checks that a name can be that of an entry: 1 to 255 bytes, no '/', no NUL, neither "." nor "..".
pub fn check_name(name: &[u8]) -> Result<()> {
    match name_fault(name) {
        None => Ok(()),
        Some(what) => Err(Error::InvalidEntry {
            name: name.into(),
            what,
        }),
    }
}

/// Checks that each component of a path is a valid name; the empty path is valid.
pub fn check_path(path: &[u8]) -> Result<()> {
    let valid = path.is_empty()
        || path.len() <= MAX_PATH_BYTES
            && path
                .split(|&byte| byte == b'/')
                .all(|name| name_fault(name).is_none());
    if valid {
        Ok(())
    } else {
        Err(Error::InvalidPath { path: path.into() })
    }
}

/// The rule that a name breaks.
pub(crate) fn name_fault(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("the name is empty"),
        b"." | b".." => Some("the name stands for another directory"),
        _ if name.len() > MAX_NAME_BYTES => Some("the name is longer than 255 bytes"),
        _ if name
            .iter()
            .fold(false, |bad, &byte| bad | (byte == b'/') | (byte == 0)) =>
        {
            Some("the name contains '/' or NUL")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directories_precede_what_is_beneath_them() {
        let sorted: [&[u8]; 9] = [
            b"", b"a", b"a/\x01", b"a/b", b"a/b/c", b"a\x01", b"a.b", b"a.b/c", b"b",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare_paths(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn names_and_paths_are_checked() {
        let long = [b'x'; 256];
        let bad: [&[u8]; 6] = [b"", b".", b"..", b"a/b", b"a\0", &long];
        for name in bad {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        let good: [&[u8]; 4] = [b"...", b"\xff\xfe", b"a\nb", &long[1..]];
        for name in good {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
        let bad: [&[u8]; 6] = [b"/", b"/a", b"a/", b"a//b", b"a/../b", b"./a"];
        for path in bad {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        assert!(check_path(b"").is_ok());
        assert!(check_path(b"a/b/c").is_ok());
    }

    #[test]
    fn beneath_is_by_component() {
        assert!(is_beneath(b"a/b", b"a"));
        assert!(is_beneath(b"a", b"a"));
        assert!(is_beneath(b"a", b""));
        assert!(!is_beneath(b"ab", b"a"));
        assert!(!is_beneath(b"a", b"a/b"));
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_components(a in "[a-c!/~]{0,8}", b in "[a-c!/~]{0,8}") {
            let split = |path: &str| -> Vec<Vec<u8>> {
                path.split('/').map(|part| part.as_bytes().to_vec()).collect()
            };
            prop_assume!(!a.is_empty() && !b.is_empty());
            prop_assert_eq!(compare_paths(a.as_bytes(), b.as_bytes()), split(&a).cmp(&split(&b)));
        }

        #[test]
        fn join_undoes_split(path in "([a-z]{1,3}/){0,3}[a-z]{1,3}") {
            let (parent, name) = split_path(path.as_bytes()).unwrap();
            prop_assert_eq!(&*join_path(parent, name), path.as_bytes());
        }
    }
}
