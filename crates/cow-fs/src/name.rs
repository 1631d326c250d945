//! The check of names before they go to the kernel in fixed-size buffers or as one path component.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::{Error, Operation, Result};

/// The longest name of a directory entry, in bytes.
pub(crate) const NAME_MAX_BYTES: usize = 255;

/// Accepts a single path component: 1 to 255 bytes, no slash, no NUL, neither `.` nor `..`.
pub(crate) fn check(operation: Operation, name: &[u8]) -> Result<()> {
    let valid = !name.is_empty()
        && name.len() <= NAME_MAX_BYTES
        && !name.iter().any(|&byte| byte == b'/' || byte == 0)
        && name != b"."
        && name != b"..";
    if valid {
        return Ok(());
    }
    Err(Error::InvalidName {
        operation,
        name: PathBuf::from(OsStr::from_bytes(name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_single_components_only() {
        for good in [&b"a"[..], b"...", b"\xff\n", &[b'x'; 255]] {
            assert!(check(Operation::CreateSubvolume, good).is_ok(), "{good:?}");
        }
        for bad in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b", &[b'x'; 256]] {
            let refusal = check(Operation::CreateSubvolume, bad);
            assert!(matches!(refusal, Err(Error::InvalidName { .. })), "{bad:?}");
        }
    }
}
