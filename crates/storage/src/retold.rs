//! `retold` and `NAME.retold`: the directories that a resumed session was told of.
//!
//! An entry that is the same in the manifests of a backup and its base has the base's content – unless an interrupted
//! session has made the tree there such that the next one could build on neither, and everything was sent again. So
//! whoever concludes from manifests what two trees share looks here first. More may be listed than there is, never
//! less.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use file_tree::{Access, Dir};

use crate::durable;
use crate::error::{During as _, Result};
use crate::layout::retold_file;
use crate::names::BackupName;

const FILE: &str = "retold";
/// Closes each path; none has such a byte.
const END: u8 = 0;

/// The list of a growing backup.
#[derive(Debug)]
pub(crate) struct Retold(File);

impl Retold {
    /// Opens the list in `incomplete/CLIENT`, which is begun if there is none.
    pub fn open(work: &Dir) -> Result<Self> {
        let mut file = match work.open_file(FILE.as_bytes(), Access::ReadWrite) {
            Err(error) if error.is_not_found() => work.create_file(FILE.as_bytes(), 0o600),
            opened => opened,
        }
        .during("open", FILE)?;
        file.seek(SeekFrom::End(0)).during("open", FILE)?;
        Ok(Self(file))
    }

    /// Lists a directory. To be called before anything in it is touched; a checkpoint makes both durable.
    pub fn add(&self, path: &[u8]) -> Result<()> {
        let mut line = path.to_vec();
        line.push(END);
        (&self.0).write_all(&line).during("write", FILE)
    }
}

/// Gives the list of a backup that is being committed its final name, if it has one.
pub(crate) fn put_in_place(work: &Dir, manifests: &Dir, name: &BackupName) -> Result<()> {
    let to = retold_file(name);
    match work.rename(FILE.as_bytes(), manifests, to.as_bytes()) {
        Err(error) if !error.is_not_found() => Err(error).during("put in place", to),
        _ => Ok(()),
    }
}

/// Removes the list of a deleted backup.
pub(crate) fn remove(manifests: &Dir, name: &BackupName) -> Result<()> {
    durable::remove(manifests, retold_file(name).as_bytes())
}

/// Adds directories to the list of a committed backup, durably.
pub(crate) fn add(manifests: &Dir, name: &BackupName, dirs: &[&[u8]]) -> Result<()> {
    let file = retold_file(name);
    let mut list = durable::read(manifests, &file)?.unwrap_or_default();
    for dir in dirs {
        list.extend_from_slice(dir);
        list.push(END);
    }
    durable::write(manifests, &file, &list)
}

/// Reads the list of a backup: the paths of directories.
pub(crate) fn read(manifests: &Dir, name: &BackupName) -> Result<BTreeSet<Box<[u8]>>> {
    let list = durable::read(manifests, &retold_file(name))?.unwrap_or_default();
    Ok(list.split(|byte| *byte == END).map(Box::from).collect())
}
