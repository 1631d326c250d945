//! Small files that are there in whole or not at all, also after a power loss.

use std::fs::File;
use std::io::{Read as _, Write as _};

use file_tree::{Access, Dir};

use crate::error::{During as _, Result, shown};

/// The longest that a small file of the storage's own may be.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Replaces the file `name` in `dir`.
pub(crate) fn write(dir: &Dir, name: &str, content: &[u8]) -> Result<()> {
    let path = name;
    let new = format!(".{name}.new");
    match dir.remove(new.as_bytes()) {
        Err(error) if !error.is_not_found() => Err(error).during("remove", &new)?,
        _ => {}
    }
    let mut file = dir.create_file(new.as_bytes(), 0o600).during("create", &new)?;
    file.write_all(content).during("write", path)?;
    // ORDER: content, then the name that makes it count, then the directory that holds the name.
    file.sync_all().during("sync", path)?;
    dir.rename(new.as_bytes(), dir, name.as_bytes())
        .during("write", path)?;
    sync(dir, path)
}

/// Reads the file `name` in `dir`; `None` if it isn't there.
pub(crate) fn read(dir: &Dir, name: &str) -> Result<Option<Vec<u8>>> {
    let file = match dir.open_file(name.as_bytes(), Access::Read) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened.during("open", name)?,
    };
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut content)
        .during("read", name)?;
    Ok(Some(content))
}

/// Makes the names in a directory durable.
pub(crate) fn sync(dir: &Dir, path: &str) -> Result<()> {
    match dir.sync() {
        // Some network file systems can't sync directories; they have nothing better.
        Err(file_tree::Error::Unsupported { .. }) => Ok(()),
        synced => synced.during("sync", path),
    }
}

/// Opens the subdirectory `name`, which is created if it isn't there.
pub(crate) fn ensure_dir(dir: &Dir, name: &[u8], mode: u32) -> Result<Dir> {
    match dir.child(name) {
        Err(error) if error.is_not_found() => {}
        opened => return opened.during("open", shown(name)),
    }
    match dir.create_dir(name, mode) {
        Err(file_tree::Error::Exists { .. }) => dir.child(name).during("open", shown(name)),
        created => {
            let created = created.during("create", shown(name))?;
            sync(dir, ".")?;
            Ok(created)
        }
    }
}

/// Opens the subdirectory `name` if it is there.
pub(crate) fn find_dir(dir: &Dir, name: &[u8]) -> Result<Option<Dir>> {
    match dir.child(name) {
        Err(error) if error.is_not_found() => Ok(None),
        opened => opened.map(Some).during("open", shown(name)),
    }
}

/// Opens the file `name` for reading if it is there.
pub(crate) fn find_file(dir: &Dir, name: &[u8]) -> Result<Option<File>> {
    match dir.open_file(name, Access::Read) {
        Err(error) if error.is_not_found() => Ok(None),
        opened => opened.map(Some).during("open", shown(name)),
    }
}

/// Removes the file `name` if it is there.
pub(crate) fn remove(dir: &Dir, name: &[u8]) -> Result<()> {
    match dir.remove(name) {
        Err(error) if error.is_not_found() => Ok(()),
        removed => removed.during("remove", shown(name)),
    }
}
