//! Cache directories, as <https://bford.info/cachedir/> defines them.

use crate::{Access, Dir};

/// The file that marks a cache directory.
pub(crate) const CACHE_TAG_NAME: &[u8] = b"CACHEDIR.TAG";

/// What the file must begin with.
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Returns whether the `CACHEDIR.TAG` in `dir` is a regular file with the right signature.
pub(crate) fn is_cache_directory(dir: &Dir) -> bool {
    use std::io::Read;
    let Ok(mut tag) = dir.open_file(CACHE_TAG_NAME, Access::Read) else {
        return false;
    };
    if !tag.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut begin = [0; SIGNATURE.len()];
    tag.read_exact(&mut begin).is_ok() && begin == SIGNATURE
}
