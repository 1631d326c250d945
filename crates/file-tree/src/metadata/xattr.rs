//! Extended attributes: which are kept, and reading them whole.

use manifest::Xattr;
use rustix::io::Errno;

use super::handle::Handle;

/// What is tried first for a list of names or a value; most have no attribute at all.
const FIRST_TRY_BYTES: usize = 1024;

/// The longest list and the longest value that the kernel hands out (XATTR_LIST_MAX, XATTR_SIZE_MAX).
const MAX_BYTES: usize = 65536;

/// Returns whether an attribute of this name is read and applied.
pub(super) fn is_kept(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        || name.starts_with(b"trusted.")
        || [
            &b"security.capability"[..],
            b"system.posix_acl_access",
            b"system.posix_acl_default",
        ]
        .contains(&name)
}

/// Returns the names of the attributes that are kept; none where the file system has no attributes.
pub(super) fn names(handle: &Handle<'_>) -> Result<Vec<Box<[u8]>>, Errno> {
    let list = match whole(|buffer| handle.list_xattrs(buffer)) {
        Ok(list) => list,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(errno),
    };
    let names = list.split(|&byte| byte == 0).filter(|name| is_kept(name));
    Ok(names.map(Box::from).collect())
}

/// Returns the attribute's value; `None` if it is gone.
pub(super) fn value(handle: &Handle<'_>, name: &[u8]) -> Result<Option<Box<[u8]>>, Errno> {
    match whole(|buffer| handle.get_xattr(name, buffer)) {
        Ok(value) => Ok(Some(value.into())),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Returns all attributes that are kept, sorted by name.
pub(super) fn all(handle: &Handle<'_>) -> Result<Vec<Xattr>, Errno> {
    let mut names = names(handle)?;
    names.sort_unstable();
    names.dedup();
    let mut xattrs = Vec::with_capacity(names.len());
    for name in names {
        if let Some(value) = value(handle, &name)? {
            xattrs.push(Xattr { name, value });
        }
    }
    Ok(xattrs)
}

/// Calls `get` with a buffer that is large enough for everything.
fn whole(get: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; FIRST_TRY_BYTES];
    match get(&mut small) {
        Ok(len_bytes) => Ok(small[..len_bytes].to_vec()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; MAX_BYTES];
            let len_bytes = get(&mut large)?;
            large.truncate(len_bytes);
            Ok(large)
        }
        Err(errno) => Err(errno),
    }
}
