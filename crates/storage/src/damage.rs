//! `damaged` and `NAME.damaged`: the files and volumes of a backup whose content is known not to be what the manifest says.
//!
//! What is listed is never offered for reuse, is not trusted by a backup that grows from this one, and can be
//! [mended](crate::Store::mend). A list says nothing of what nobody has read yet; more may be listed than there is.
//!
//! Lines of text: a heading, then `HASH PATH` with the hash that the content should have. They are appended as damage is found, so a
//! line that is cut short is none.

use std::collections::BTreeMap;
use std::io::{Seek as _, SeekFrom, Write as _};

use file_tree::{Access, Dir};
use manifest::{ContentHash, Reader};

use crate::durable;
use crate::error::{During as _, Error, Result};
use crate::layout::damaged_file;
use crate::names::BackupName;
use crate::pool::{escape, unescape};

/// The list of a growing backup.
const FILE: &str = "damaged";
const HEADING: &str = "perennial damaged content 1\n";

/// Paths, with the hashes that the manifest has for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Damaged {
    files: BTreeMap<Box<[u8]>, ContentHash>,
}

impl Damaged {
    /// Reads the list of a committed backup; empty if it has none.
    pub fn read(manifests: &Dir, name: &BackupName) -> Result<Self> {
        Self::read_file(manifests, &damaged_file(name))
    }

    /// Reads the list in `incomplete/CLIENT`.
    pub fn read_growing(work: &Dir) -> Result<Self> {
        Self::read_file(work, FILE)
    }

    fn read_file(dir: &Dir, file: &str) -> Result<Self> {
        Ok(durable::read(dir, file)?.map_or_else(Self::default, |content| parse(&content)))
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub fn contains(&self, path: &[u8]) -> bool {
        self.files.contains_key(path)
    }

    pub fn insert(&mut self, path: Box<[u8]>, hash: ContentHash) {
        self.files.insert(path, hash);
    }

    /// Takes a path out. Returns whether it was listed.
    pub fn remove(&mut self, path: &[u8]) -> bool {
        self.files.remove(path).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], ContentHash)> {
        self.files.iter().map(|(path, hash)| (&**path, *hash))
    }

    /// Whether any file of a directory is listed, those beneath its subdirectories left out.
    pub fn is_any_in(&self, dir: &[u8]) -> bool {
        let is_in = |path: &[u8]| manifest::split_path(path).is_some_and(|(parent, _)| parent == dir);
        !self.is_empty() && self.files.keys().any(|path| is_in(path))
    }

    /// Drops what a manifest does not list with the same content.
    pub fn retain_listed(&mut self, manifest: &Reader) -> Result<()> {
        let mut kept = BTreeMap::new();
        for (path, hash) in std::mem::take(&mut self.files) {
            let entry = manifest.lookup(&path);
            let entry = entry.map_err(Error::manifest("of the incomplete backup"))?;
            if entry.and_then(|entry| entry.hash()) == Some(hash) {
                kept.insert(path, hash);
            }
        }
        self.files = kept;
        Ok(())
    }

    /// Writes the list of a committed backup durably; removes it if it is empty.
    pub fn write(&self, manifests: &Dir, name: &BackupName) -> Result<()> {
        self.write_file(manifests, &damaged_file(name))
    }

    /// The same in `incomplete/CLIENT`.
    pub fn write_growing(&self, work: &Dir) -> Result<()> {
        self.write_file(work, FILE)
    }

    fn write_file(&self, dir: &Dir, file: &str) -> Result<()> {
        if self.is_empty() {
            return durable::remove(dir, file.as_bytes());
        }
        let lines = self.iter().map(|(path, hash)| line(path, hash));
        let text: String = std::iter::once(HEADING.to_owned()).chain(lines).collect();
        durable::write(dir, file, text.as_bytes())
    }
}

/// Adds a path to the list in `incomplete/CLIENT`, which the next checkpoint or the commit makes durable.
pub(crate) fn append(work: &Dir, path: &[u8], hash: ContentHash) -> Result<()> {
    let (mut file, heading) = match work.open_file(FILE.as_bytes(), Access::ReadWrite) {
        Err(error) if error.is_not_found() => {
            let file = work.create_file(FILE.as_bytes(), 0o600).during("create", FILE)?;
            (file, HEADING)
        }
        opened => (opened.during("open", FILE)?, ""),
    };
    file.seek(SeekFrom::End(0)).during("write", FILE)?;
    let text = format!("{heading}{}", line(path, hash));
    file.write_all(text.as_bytes()).during("write", FILE)
}

/// Gives the list of a backup that is being committed its final name, if it has one.
pub(crate) fn put_in_place(work: &Dir, manifests: &Dir, name: &BackupName) -> Result<()> {
    let to = damaged_file(name);
    match work.rename(FILE.as_bytes(), manifests, to.as_bytes()) {
        Err(error) if !error.is_not_found() => Err(error).during("put in place", to),
        _ => Ok(()),
    }
}

/// Removes the list of a deleted backup.
pub(crate) fn remove(manifests: &Dir, name: &BackupName) -> Result<()> {
    durable::remove(manifests, damaged_file(name).as_bytes())
}

fn line(path: &[u8], hash: ContentHash) -> String {
    format!("{hash} {}\n", escape(path))
}

fn parse(content: &[u8]) -> Damaged {
    // What follows the last line's end is one that was cut short.
    let whole = content
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    let lines = content[..whole].split(|&byte| byte == b'\n').skip(1);
    Damaged {
        files: lines.filter_map(parse_line).collect(),
    }
}

fn parse_line(line: &[u8]) -> Option<(Box<[u8]>, ContentHash)> {
    let (digits, path) = line.split_at_checked(64)?;
    let path = unescape(path.strip_prefix(b" ")?)?;
    manifest::check_path(&path).ok().filter(|()| !path.is_empty())?;
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some((path, ContentHash(hash)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_cut_short_has_its_whole_lines() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = Dir::open(scratch.path()).unwrap();
        let hash = ContentHash::of(b"content");
        for path in [&b"s/a b\n\\x41/\xff"[..], b"z"] {
            append(&dir, path, hash).unwrap();
        }
        let listed = Damaged::read_growing(&dir).unwrap();
        assert_eq!(
            listed.iter().collect::<Vec<_>>(),
            [(&b"s/a b\n\\x41/\xff"[..], hash), (b"z", hash)]
        );
        assert!(listed.is_any_in(b"") && listed.is_any_in(b"s/a b\n\\x41") && !listed.is_any_in(b"s"));
        let text = std::fs::read(scratch.path().join(FILE)).unwrap();
        let cut = parse(&text[..text.len() - 1]);
        assert!(!cut.contains(b"z") && cut.iter().count() == 1);
        listed.write_growing(&dir).unwrap();
        assert_eq!(Damaged::read_growing(&dir).unwrap(), listed);
        Damaged::default().write_growing(&dir).unwrap();
        assert!(Damaged::read_growing(&dir).unwrap().is_empty());
    }
}
