//! `NAME.pool`: the links that a backup has into the pool.
//!
//! Lines of text, so that it can be read without Perennial: a heading, then `ID PATH` sorted by path, with
//! everything but printable ASCII and the backslash itself as `\xNN`, then `end COUNT`. A list without its end is
//! damaged. A backup without links has no list.

use file_tree::Dir;

use super::PoolLink;
use crate::durable;
use crate::error::{Error, Result};
use crate::layout::pool_list_file;
use crate::names::{BackupName, PoolId};

const HEADING: &str = "perennial pool links 1";

/// The links of one backup, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PoolList {
    links: Vec<PoolLink>,
}

impl PoolList {
    /// Of several links at one path the first counts.
    pub fn new(mut links: Vec<PoolLink>) -> Self {
        links.sort_by(|a, b| manifest::compare_paths(&a.path, &b.path));
        links.dedup_by(|a, b| a.path == b.path);
        Self { links }
    }

    pub fn links(&self) -> &[PoolLink] {
        &self.links
    }

    /// The link at a path.
    pub fn find(&self, path: &[u8]) -> Option<&PoolLink> {
        let at = self
            .links
            .binary_search_by(|link| manifest::compare_paths(&link.path, path));
        at.ok().map(|at| &self.links[at])
    }

    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Reads the list of a backup; empty if it has none.
    pub fn read(manifests: &Dir, name: &BackupName) -> Result<Self> {
        Self::read_file(manifests, &pool_list_file(name))
    }

    pub fn read_file(dir: &Dir, file: &str) -> Result<Self> {
        let Some(content) = durable::read(dir, file)? else {
            return Ok(Self::default());
        };
        parse(&content).ok_or_else(|| Error::corrupt(file, "it is no complete list of links"))
    }

    /// Writes the list durably; removes it if it is empty.
    pub fn write(&self, manifests: &Dir, name: &BackupName) -> Result<()> {
        let file = pool_list_file(name);
        if self.links.is_empty() {
            return durable::remove(manifests, file.as_bytes());
        }
        durable::write(manifests, &file, self.to_text().as_bytes())
    }

    fn to_text(&self) -> String {
        let mut text = format!("{HEADING}\n");
        for link in &self.links {
            text.push_str(&format!("{} {}\n", link.pool, escape(&link.path)));
        }
        text.push_str(&format!("end {}\n", self.links.len()));
        text
    }
}

/// A path as printable ASCII.
pub(crate) fn escape(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'!'..=b'~' if byte != b'\\' => text.push(byte.into()),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// What [`escape`] made of a path.
pub(crate) fn unescape(text: &[u8]) -> Option<Box<[u8]>> {
    let mut path = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'\\' {
            let (code, after) = after.strip_prefix(b"x")?.split_at_checked(2)?;
            path.push(u8::from_str_radix(str::from_utf8(code).ok()?, 16).ok()?);
            rest = after;
        } else {
            path.push(byte);
            rest = after;
        }
    }
    Some(path.into())
}

fn parse(content: &[u8]) -> Option<PoolList> {
    let mut lines = content.strip_suffix(b"\n")?.split(|&byte| byte == b'\n');
    if lines.next()? != HEADING.as_bytes() {
        return None;
    }
    let mut links = Vec::new();
    for line in lines.by_ref() {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let (word, value) = (&line[..space], &line[space + 1..]);
        if word == b"end" {
            let count: usize = str::from_utf8(value).ok()?.parse().ok()?;
            return (count == links.len() && lines.next().is_none()).then(|| PoolList::new(links));
        }
        let path = unescape(value)?;
        manifest::check_path(&path).ok().filter(|()| !path.is_empty())?;
        links.push(PoolLink {
            path,
            pool: PoolId::from_file_name(word)?,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_survives() {
        let link = |path: &[u8]| PoolLink {
            path: path.into(),
            pool: PoolId::random(),
        };
        let list = PoolList::new(vec![link(b"s/b"), link(b"s/a b\n\\x41/\xff"), link(b"z")]);
        assert_eq!(parse(list.to_text().as_bytes()), Some(list));
    }

    #[test]
    fn a_damaged_list_is_no_list() {
        let list = PoolList::new(vec![PoolLink {
            path: b"a"[..].into(),
            pool: PoolId::random(),
        }]);
        let text = list.to_text().into_bytes();
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), None, "cut at {cut}");
        }
        assert_eq!(parse(b"perennial pool links 1\nend 1\n"), None);
        assert_eq!(parse(b"perennial pool links 1\n0123 a\nend 1\n"), None);
    }
}
