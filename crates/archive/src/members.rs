//! The members of an archive: what is selected, read from the manifest.
//!
//! A directory comes right before what is in it, and not where its parent lists it: GNU tar sets a directory's time as soon as it
//! meets something that is not in it. Everything else keeps its order, so that the first name of a file precedes its links.

use std::collections::HashMap;
use std::fs::File;
use std::vec;

use manifest::{DirRecord, Entry, Kind, ReadAt, Reader, Records, is_beneath, join_path, split_path};

use crate::error::{Error, Result};
use crate::format::Format;
use crate::selection::{Selection, is_listed_before};

/// A member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the archive: relative, without "..", nothing behind a directory.
    pub name: Box<[u8]>,
    /// Where its content lies in the backup. For a copy of a file with several names that is the first of them.
    pub path: Box<[u8]>,
    /// What the manifest says of it.
    pub entry: Entry,
    /// For a further name of a file: the name in the archive that it is linked to, which came before.
    pub link: Option<Box<[u8]>>,
}

impl Member {
    /// The length of its content; 0 for what has none.
    pub fn size_bytes(&self) -> u64 {
        self.entry.size()
    }
}

/// The members of an archive, one by one; ends at the first error. What there is at once is the directory under way.
#[derive(Debug)]
pub struct Members<S = File> {
    reader: Reader<S>,
    selection: Selection,
    format: Format,
    stops: vec::IntoIter<Stop>,
    tree: Option<(Box<[u8]>, Records<S>)>,
    /// The directory under way, and what of it is still to come.
    directory: Box<[u8]>,
    entries: vec::IntoIter<Entry>,
    /// Directories that were listed and have not come yet.
    listed: HashMap<Box<[u8]>, Entry>,
    /// Where the first name of a file was looked for last.
    firsts: Option<DirRecord>,
}

/// A place of the manifest that has members.
#[derive(Debug)]
enum Stop {
    /// Selected files of a directory, which is not selected as a whole.
    Files(Box<[u8]>, Vec<Entry>),
    /// A directory with all that is beneath it. The backup's own has no entry.
    Tree(Box<[u8]>, Option<Entry>),
}

impl Selection {
    /// Reads what is selected.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what the backup does not have; [`Error::Manifest`].
    pub fn members<S: ReadAt>(self, reader: &Reader<S>, format: Format) -> Result<Members<S>> {
        let mut stops = Vec::new();
        let mut parent: Option<DirRecord> = None;
        for root in self.roots() {
            let Some((directory, name)) = split_path(root) else {
                stops.push(Stop::Tree(root.into(), None));
                continue;
            };
            if parent.as_ref().is_none_or(|parent| *parent.path != *directory) {
                parent = reader.directory(directory)?;
            }
            let entry = parent.as_ref().and_then(|parent| parent.find(name));
            let entry = entry.ok_or_else(|| Error::NotFound { path: root.into() })?;
            stops.push(if entry.is_directory() {
                Stop::Tree(root.into(), Some(entry.clone()))
            } else {
                Stop::Files(directory.into(), vec![entry.clone()])
            });
        }
        Ok(Members {
            reader: reader.clone(),
            selection: self,
            format,
            stops: in_manifest_order(stops).into_iter(),
            tree: None,
            directory: Box::default(),
            entries: Vec::new().into_iter(),
            listed: HashMap::new(),
            firsts: None,
        })
    }
}

impl Stop {
    fn directory(&self) -> &[u8] {
        match self {
            Self::Files(directory, _) | Self::Tree(directory, _) => directory,
        }
    }
}

/// A directory's files stand where its record does, which is before all that is beneath it.
fn in_manifest_order(mut stops: Vec<Stop>) -> Vec<Stop> {
    // Files of one directory keep the order of their names: the sort is stable.
    stops.sort_by(|a, b| manifest::compare_paths(a.directory(), b.directory()));
    stops.dedup_by(|stop, kept| match (stop, kept) {
        (Stop::Files(directory, files), Stop::Files(kept, all)) if directory == kept => {
            all.append(files);
            true
        }
        _ => false,
    });
    stops
}

impl<S: ReadAt> Members<S> {
    fn step(&mut self) -> Result<Option<Member>> {
        loop {
            if let Some(entry) = self.entries.next() {
                let path = join_path(&self.directory, &entry.name);
                if entry.is_directory() {
                    self.listed.insert(path, entry);
                } else if let Some(member) = self.member(path, entry)? {
                    return Ok(Some(member));
                }
            } else if self.next_directory()? {
                let path = self.directory.clone();
                let entry = self.listed.remove(&path);
                if let (Some(entry), Some(name)) = (entry, self.selection.name_of(&path)) {
                    return Ok(Some(Member {
                        name,
                        path,
                        entry,
                        link: None,
                    }));
                }
            } else if !self.next_stop()? {
                return Ok(None);
            }
        }
    }

    /// Goes to the next directory of the tree under way; false if there is none.
    fn next_directory(&mut self) -> Result<bool> {
        let Some((root, records)) = &mut self.tree else {
            return Ok(false);
        };
        let record = records.next().transpose()?;
        if let Some(record) = record.filter(|record| is_beneath(&record.path, root)) {
            self.directory = record.path;
            self.entries = record.entries.into_iter();
            return Ok(true);
        }
        self.tree = None;
        match self.listed.keys().min() {
            Some(path) => Err(Error::Unlisted { path: path.clone() }),
            None => Ok(false),
        }
    }

    /// Goes to the next place; false if there is none.
    fn next_stop(&mut self) -> Result<bool> {
        match self.stops.next() {
            None => return Ok(false),
            Some(Stop::Files(directory, files)) => {
                self.directory = directory;
                self.entries = files.into_iter();
            }
            Some(Stop::Tree(root, entry)) => {
                let records = self.reader.records_from(&root)?;
                if let Some(entry) = entry {
                    self.listed.insert(root.clone(), entry);
                }
                self.tree = Some((root, records));
            }
        }
        Ok(true)
    }

    fn member(&mut self, path: Box<[u8]>, entry: Entry) -> Result<Option<Member>> {
        if !self.format.keeps(&entry.kind) {
            return Ok(None);
        }
        let Some(name) = self.selection.name_of(&path) else {
            return Ok(None);
        };
        let Kind::HardLink { target } = &entry.kind else {
            return Ok(Some(Member {
                name,
                path,
                entry,
                link: None,
            }));
        };
        let target = target.clone();
        let link = self.selection.name_of(&target);
        if link.is_some() && self.format.keeps_links() && is_listed_before(&target, &path) {
            return Ok(Some(Member {
                name,
                path: target,
                entry,
                link,
            }));
        }
        let Entry { metadata, kind, .. } = self.first_name(&target)?;
        if !self.format.keeps(&kind) {
            return Ok(None);
        }
        Ok(Some(Member {
            name,
            path: target,
            entry: Entry {
                name: entry.name,
                metadata,
                kind,
            },
            link: None,
        }))
    }

    /// The entry that says what has several names: mostly a file, but links, pipes and devices may have them too.
    fn first_name(&mut self, path: &[u8]) -> Result<Entry> {
        let not_found = || Error::NotFound { path: path.into() };
        let (directory, name) = split_path(path).ok_or_else(not_found)?;
        let is_there = |record: &DirRecord| *record.path == *directory;
        if !self.firsts.as_ref().is_some_and(is_there) {
            self.firsts = self.reader.directory(directory)?;
        }
        let entry = self.firsts.as_ref().and_then(|record| record.find(name));
        let is_first = |entry: &&Entry| !matches!(entry.kind, Kind::Directory | Kind::HardLink { .. });
        entry.filter(is_first).cloned().ok_or_else(not_found)
    }
}

impl<S: ReadAt> Iterator for Members<S> {
    type Item = Result<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.step().transpose();
        if let Some(Err(_)) = member {
            (self.tree, self.entries, self.stops) = (None, Vec::new().into_iter(), Vec::new().into_iter());
            self.listed.clear();
        }
        member
    }
}
