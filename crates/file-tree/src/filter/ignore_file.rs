//! Ignore files inside the tree: each adds to what is left out beneath its directory.

use std::io::Read;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::{Access, Dir, Error, Operation, Result};

use super::{EntryKind, as_path};

/// The most that is read of one ignore file.
const MAX_BYTES: u64 = 1024 * 1024;

/// The rules of one ignore file on top of those of the directories above.
#[derive(Debug)]
pub(crate) struct IgnoreLayer {
    rules: Gitignore,
    /// How much of a path from the source's root leads to the file's directory, with the slash.
    prefix_bytes: usize,
    above: Option<Arc<IgnoreLayer>>,
}

impl IgnoreLayer {
    /// Reads the ignore file `name` in `dir`, whose path from the source's root is `dir_path`. Lines that are
    /// no pattern are returned beside.
    pub(crate) fn read(
        dir: &Dir,
        name: &[u8],
        dir_path: &[u8],
        above: Option<Arc<IgnoreLayer>>,
    ) -> Result<(IgnoreLayer, Vec<Error>)> {
        let content = read_text(dir, name)?;
        let mut rules = GitignoreBuilder::new("");
        let mut problems = Vec::new();
        for line in content.split(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let added = match std::str::from_utf8(line) {
                Ok(text) => rules
                    .add_line(None, text)
                    .map(|_| ())
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = added {
                problems.push(Error::BadPattern {
                    pattern: String::from_utf8_lossy(line).into_owned(),
                    reason,
                });
            }
        }
        let rules = rules.build().map_err(|error| Error::BadPattern {
            pattern: String::from_utf8_lossy(name).into_owned(),
            reason: error.to_string(),
        })?;
        let prefix_bytes = if dir_path.is_empty() {
            0
        } else {
            dir_path.len() + 1
        };
        Ok((
            IgnoreLayer {
                rules,
                prefix_bytes,
                above,
            },
            problems,
        ))
    }

    /// Returns whether the entry at `path` (from the source's root) is left out; the nearest file that
    /// matches decides.
    pub(crate) fn leaves_out(&self, path: &[u8], kind: EntryKind) -> bool {
        let mut layer = Some(self);
        while let Some(IgnoreLayer {
            rules,
            prefix_bytes,
            above,
        }) = layer
        {
            let relative = path.get(*prefix_bytes..).unwrap_or_default();
            match rules.matched(as_path(relative), kind == EntryKind::Directory) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => layer = above.as_deref(),
            }
        }
        false
    }
}

fn read_text(dir: &Dir, name: &[u8]) -> Result<Vec<u8>> {
    let file = dir.open_file(name, Access::Read)?;
    let mut content = Vec::new();
    let read = file.take(MAX_BYTES).read_to_end(&mut content);
    read.map_err(|error| {
        let errno = rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO);
        Error::new(Operation::Read, name, errno)
    })?;
    Ok(content)
}
