//! Finding the directories that two backups have in common as a whole.

use std::collections::HashSet;

use manifest::{RawRecord, Reader, compare_paths, is_beneath, split_path};

use super::{POOLED_ABOVE_ENTRIES, PoolList};
use crate::error::{Error, Result};

/// A directory that is the same in both backups with all that is beneath it, its own metadata included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Whole {
    path: Box<[u8]>,
    entries: u64,
}

/// A directory on the way to the one that is being looked at.
#[derive(Debug)]
struct Level {
    path: Box<[u8]>,
    is_unchanged: bool,
    kind: LevelKind,
    entries: u64,
    /// Subdirectories whose own entry differs.
    changed_names: HashSet<Box<[u8]>>,
    whole: Vec<Whole>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LevelKind {
    Plain,
    /// The newer backup has a link into the pool here.
    Linked,
    /// The older one alone has: the newer can have it again, but nothing above can be pooled.
    LinkedBefore,
    /// Beneath one that the older one has, where it has no directories of its own.
    BeneathLink,
}

/// The topmost unchanged directories that are worth a link and contain none.
pub(super) fn unchanged(
    older: &Reader,
    newer: &Reader,
    before: &PoolList,
    now: &PoolList,
) -> Result<Vec<Box<[u8]>>> {
    let paths = |list: &PoolList| {
        list.links()
            .iter()
            .map(|link| link.path.clone())
            .collect::<HashSet<_>>()
    };
    let mut finder = Finder {
        before: paths(before),
        now: paths(now),
        levels: Vec::new(),
        found: Vec::new(),
    };
    let failed = || Error::manifest(&newer.header().name);
    let mut olds = older.raw_records().peekable();
    for record in newer.raw_records() {
        let record = record.map_err(failed())?;
        let mut old = None;
        while let Some(found) = olds.next_if(|found| match found {
            Ok(found) => compare_paths(found.path(), record.path()).is_le(),
            Err(_) => true,
        }) {
            let found = found.map_err(Error::manifest(&older.header().name))?;
            old = (found.path() == record.path()).then_some(found);
        }
        finder.enter(&record, old.as_ref()).map_err(failed())?;
    }
    while !finder.levels.is_empty() {
        finder.leave();
    }
    Ok(finder.found)
}

struct Finder {
    before: HashSet<Box<[u8]>>,
    now: HashSet<Box<[u8]>>,
    levels: Vec<Level>,
    found: Vec<Box<[u8]>>,
}

impl Finder {
    fn enter(&mut self, record: &RawRecord, old: Option<&RawRecord>) -> manifest::Result<()> {
        let path = record.path();
        while self
            .levels
            .last()
            .is_some_and(|level| !is_beneath(path, &level.path))
        {
            self.leave();
        }
        let has_changed_entry = match (split_path(path), self.levels.last()) {
            (Some((_, name)), Some(above)) => above.changed_names.contains(name),
            _ => false,
        };
        let is_same = old.is_some_and(|old| old.bytes() == record.bytes());
        let above = self.levels.last().map(|above| above.kind);
        let kind = match path {
            _ if matches!(above, Some(LevelKind::LinkedBefore | LevelKind::BeneathLink)) => {
                LevelKind::BeneathLink
            }
            _ if self.now.contains(path) => LevelKind::Linked,
            _ if self.before.contains(path) => LevelKind::LinkedBefore,
            _ => LevelKind::Plain,
        };
        self.levels.push(Level {
            path: path.into(),
            // The root is the backup itself and stays where it is.
            is_unchanged: is_same && !has_changed_entry && !path.is_empty(),
            kind,
            entries: record.entries()?.len() as u64,
            changed_names: if is_same {
                HashSet::new()
            } else {
                changed_directories(record, old)?
            },
            whole: Vec::new(),
        });
        Ok(())
    }

    fn leave(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        // What is beneath a link counts for the directory that has it, and for nothing above.
        let is_whole = level.is_unchanged && matches!(level.kind, LevelKind::Plain | LevelKind::BeneathLink);
        match level.kind {
            LevelKind::LinkedBefore if level.is_unchanged => self.found.push(level.path.clone()),
            LevelKind::Plain if !level.is_unchanged => {
                let worth = level
                    .whole
                    .into_iter()
                    .filter(|whole| whole.entries > POOLED_ABOVE_ENTRIES);
                self.found.extend(worth.map(|whole| whole.path));
            }
            _ => {}
        }
        let Some(above) = self.levels.last_mut() else {
            return;
        };
        above.entries += level.entries;
        if is_whole {
            above.whole.push(Whole {
                path: level.path,
                entries: level.entries,
            });
        } else {
            above.is_unchanged = false;
        }
    }
}

/// The names of subdirectories whose entries differ between two records of a directory.
fn changed_directories(record: &RawRecord, old: Option<&RawRecord>) -> manifest::Result<HashSet<Box<[u8]>>> {
    let record = record.decode()?;
    let old = old.map(RawRecord::decode).transpose()?;
    let is_same =
        |entry: &&manifest::Entry| old.as_ref().and_then(|old| old.find(&entry.name)) == Some(*entry);
    Ok(record
        .subdirectories()
        .filter(|entry| !is_same(entry))
        .map(|entry| entry.name.clone())
        .collect())
}
