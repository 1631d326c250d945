//! Going through a directory and all beneath it, without recursion, each directory once.

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
        let mut met = HashSet::from([place(&directory.node)]);
        let with_paths = |above: &[u8], entries: Vec<Entry>| {
            let path = |entry: Entry| ([above, &entry.name].concat(), entry);
            // The last one is the next one.
            entries.into_iter().rev().map(path).collect::<Vec<_>>()
        };
        let mut left = with_paths(b"", self.list(directory)?);
        while let Some((mut path, entry)) = left.pop() {
            if each(&path, &entry)? == Step::Over || entry.kind != Kind::Directory {
                continue;
            }
            let beneath = match met.insert(place(&entry.node)) {
                _ if path.len() > MAX_PATH_BYTES => Err(Error::TooDeep {
                    path: path[..64].into(),
                }),
                true => self.list(&entry),
                false => Err(Error::damaged("directory", 0, "it is in another place too")),
            };
            match beneath {
                Ok(beneath) => {
                    path.push(b'/');
                    left.extend(with_paths(&path, beneath));
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
}

/// What tells directories apart.
fn place(node: &Node) -> u64 {
    match node {
        Node::Inode(number) | Node::Record(number) => *number,
        Node::Chain(chain) => chain.first,
    }
}
