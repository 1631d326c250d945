//! The part of a backup that is restored: directories in manifest order, with paths relative to the target.

use manifest::{DirRecord, Entry, Kind, RawRecords, Reader, is_beneath, split_path};

use crate::error::{Error, Result};

/// A path inside a backup, and what is restored from there.
pub(super) struct Selection<'a> {
    reader: &'a Reader,
    path: &'a [u8],
    scope: Scope,
}

enum Scope {
    /// The directory at the path, with all beneath. Its own entry, unless it is the backup's root.
    Tree(Option<Box<Entry>>),
    /// A single entry that is no directory.
    Single(Box<Entry>),
}

/// One directory of a selection.
pub(super) struct Selected {
    /// Its path from the target.
    pub(super) path: Box<[u8]>,
    /// Its path in the backup.
    pub(super) backup_path: Box<[u8]>,
    pub(super) entries: Vec<Entry>,
}

impl<'a> Selection<'a> {
    /// Selects what lies at `path`. Fails with [`Error::NotFound`] where the backup has nothing there.
    pub(super) fn new(reader: &'a Reader, path: &'a [u8]) -> Result<Self> {
        manifest::check_path(path)?;
        if path.is_empty() {
            return Ok(Self {
                reader,
                path,
                scope: Scope::Tree(None),
            });
        }
        let missing = || Error::NotFound {
            message: format!("{:?} in this backup", file_tree::shown(path)),
        };
        let entry = Box::new(reader.lookup(path)?.ok_or_else(missing)?);
        let scope = if entry.is_directory() {
            Scope::Tree(Some(entry))
        } else {
            Scope::Single(entry)
        };
        Ok(Self { reader, path, scope })
    }

    /// The entry of the selected directory itself.
    pub(super) fn root(&self) -> Option<&Entry> {
        match &self.scope {
            Scope::Tree(root) => root.as_deref(),
            Scope::Single(_) => None,
        }
    }

    /// Whether a directory is selected, with all that is in it.
    pub(super) fn is_tree(&self) -> bool {
        matches!(self.scope, Scope::Tree(_))
    }

    /// Whether the files of a directory of the backup are the output of commands.
    pub(super) fn is_streamed(&self, backup_path: &[u8]) -> bool {
        let mut sources = self.reader.header().sources.iter();
        sources.any(|source| source.is_streamed() && *source.name == *backup_path)
    }

    /// Goes through the selected directories.
    pub(super) fn directories(&self) -> Result<Directories<'_>> {
        let state = match &self.scope {
            Scope::Tree(_) => State::Tree(self.reader.raw_records_from(self.path)?),
            Scope::Single(entry) => State::Single(Some(entry)),
        };
        Ok(Directories {
            path: self.path,
            state,
        })
    }

    /// Finds the first name of a hard link's file, where that is not restored itself.
    pub(super) fn outside(&self, target: &[u8]) -> Result<Option<Entry>> {
        let is_inside = match &self.scope {
            Scope::Tree(_) => is_beneath(target, self.path),
            Scope::Single(_) => target == self.path,
        };
        if is_inside {
            return Ok(None);
        }
        let found = self.reader.lookup(target)?;
        let found = found.filter(|entry| matches!(entry.kind, Kind::File { .. }));
        let message = || format!("{:?}, the file of a hard link", file_tree::shown(target));
        found
            .map(Some)
            .ok_or_else(|| Error::NotFound { message: message() })
    }

    /// The path from the target of a path in the backup that is selected.
    pub(super) fn relative<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        relative(self.path, path)
    }
}

fn relative<'p>(selected: &[u8], path: &'p [u8]) -> &'p [u8] {
    if selected.is_empty() {
        path
    } else {
        path.get(selected.len() + 1..).unwrap_or_default()
    }
}

/// Goes through a selection in manifest order.
pub(super) struct Directories<'a> {
    path: &'a [u8],
    state: State<'a>,
}

enum State<'a> {
    Tree(RawRecords),
    Single(Option<&'a Entry>),
}

impl Iterator for Directories<'_> {
    type Item = Result<Selected>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.state {
            State::Single(entry) => {
                let entry = entry.take()?.clone();
                let parent = split_path(self.path).map_or(&b""[..], |(parent, _)| parent);
                Some(Ok(Selected {
                    path: Box::default(),
                    backup_path: parent.into(),
                    entries: vec![entry],
                }))
            }
            State::Tree(records) => {
                let record = records.next()?;
                let record = record.and_then(|record| record.decode());
                match record {
                    Ok(DirRecord { path, .. }) if !is_beneath(&path, self.path) => None,
                    Ok(DirRecord { path, entries }) => {
                        let relative = relative(self.path, &path).into();
                        Some(Ok(Selected {
                            path: relative,
                            backup_path: path,
                            entries,
                        }))
                    }
                    Err(error) => Some(Err(error.into())),
                }
            }
        }
    }
}
