//! Going through a directory and all beneath it, without recursion, each directory once. No two directories have anything of the
//! volume in common, so that all of them together are no larger than it is.

use std::collections::HashSet;

use crate::files::{Entry, Files, Kind, Node};
use crate::{Error, Result};

/// No real path is longer: one of 4096 bytes can be opened by its name.
const MAX_PATH_BYTES: usize = 64 << 10;

/// Whether to go on beneath a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Go on beneath it.
    Into,
    /// Leave out what is beneath it.
    Over,
}

impl Files<'_> {
    /// Calls for all that is beneath a directory, with paths relative to it, each directory before what is in it. A directory that
    /// can't be listed, or was met before, is handed on once more, as [`Kind::Unreadable`].
    ///
    /// # Errors
    /// Those of `each`, and [`Error::NotDirectory`] and [`Error::Volume`] for the directory itself.
    pub fn walk(&self, directory: &Entry, each: &mut dyn FnMut(&[u8], &Entry) -> Result<Step>) -> Result<()> {
        let mut met = Met {
            places: HashSet::from([place(&directory.node)]),
            left_bytes: self.volume_bytes(),
        };
        let mut path = Vec::new();
        // What is left of each directory on the way down, and the length of its path.
        let mut levels = vec![(0, self.list(directory)?.into_iter())];
        while let Some((above, left)) = levels.last_mut() {
            path.truncate(*above);
            let Some(entry) = left.next() else {
                levels.pop();
                continue;
            };
            path.extend_from_slice(&entry.name);
            if each(&path, &entry)? == Step::Over || entry.kind != Kind::Directory {
                continue;
            }
            match self.beneath(&path, &entry, &mut met) {
                Ok(beneath) => {
                    path.push(b'/');
                    levels.push((path.len(), beneath.into_iter()));
                }
                Err(error) => {
                    let reason = error.in_words();
                    let kind = Kind::Unreadable { reason };
                    each(&path, &Entry { kind, ..entry })?;
                }
            }
        }
        Ok(())
    }

    fn beneath(&self, path: &[u8], directory: &Entry, met: &mut Met) -> Result<Vec<Entry>> {
        if path.len() > MAX_PATH_BYTES {
            return Err(Error::TooDeep {
                path: path[..64].into(),
            });
        }
        let damaged = |reason| Error::damaged("directory", 0, reason);
        if !met.places.insert(place(&directory.node)) {
            return Err(damaged("it is in another place too"));
        }
        if met.left_bytes == 0 {
            return Err(damaged(
                "it and the directories before it are larger than the volume",
            ));
        }
        let (entries, read_bytes) = self.list_and_count(directory)?;
        met.left_bytes = met.left_bytes.saturating_sub(read_bytes);
        Ok(entries)
    }
}

/// The directories that were met.
struct Met {
    places: HashSet<u64>,
    /// How much may still be read of directories.
    left_bytes: u64,
}

/// What tells directories apart.
fn place(node: &Node) -> u64 {
    match node {
        Node::Inode(number) | Node::Record(number) => *number,
        Node::Chain(chain) => chain.first,
    }
}
