//! From a base directory and a delta to the new directory.

use std::cmp::Ordering;

use super::{Basis, DirDelta, FileId};
use crate::entry::{DirRecord, Entry, Kind};
use crate::error::{Error, Result};
use crate::path::check_path;

/// The directory that a delta leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// All entries, the pending among them.
    pub record: DirRecord,
    /// The pending entries by their place in the record, rising.
    pub pending: Vec<(usize, FileId)>,
}

impl DirDelta {
    /// Applies the delta to the base's directory of the same path.
    ///
    /// The base is not looked at where the basis is complete.
    ///
    /// # Errors
    /// If there is no base where one is needed, if a removed name is not in it, or if the lists are not
    /// sorted.
    pub fn apply(&self, base: Option<&DirRecord>) -> Result<Applied> {
        check_path(&self.path)?;
        self.check_lists()?;
        let base = match self.basis {
            Basis::Complete => &[][..],
            Basis::Delta => match base {
                Some(base) if base.path == self.path => &base.entries,
                _ => {
                    return Err(Error::MissingBase {
                        path: self.path.clone(),
                    });
                }
            },
        };
        let mut merge = Merge {
            entries: Vec::with_capacity((base.len() + self.upserts.len()).saturating_sub(self.removed.len())),
            pending: Vec::new(),
            removed: &self.removed,
        };
        let mut upserts = self.upserts.iter().peekable();
        for old in base {
            while let Some(new) = upserts.next_if(|new| new.entry.name < old.name) {
                merge.take(&new.entry, new.pending);
            }
            let replacement = upserts.next_if(|new| new.entry.name == old.name);
            match (merge.is_removed(&old.name), replacement) {
                (true, None) => {}
                (true, Some(_)) => return Err(self.mismatch(&old.name)),
                (false, Some(new)) => merge.take(&new.entry, new.pending),
                (false, None) => merge.take(old, None),
            }
        }
        upserts.for_each(|new| merge.take(&new.entry, new.pending));
        match merge.removed.first() {
            // Every name up to here has been found in the base.
            Some(name) => Err(self.mismatch(name)),
            None => {
                let record = DirRecord {
                    path: self.path.clone(),
                    entries: merge.entries,
                };
                Ok(Applied {
                    record,
                    pending: merge.pending,
                })
            }
        }
    }

    /// The announced files, in order.
    pub fn pending(&self) -> impl Iterator<Item = (FileId, &Entry)> {
        self.upserts
            .iter()
            .filter_map(|upsert| Some((upsert.pending?, &upsert.entry)))
    }

    /// Checks the order of the lists, and what they may hold.
    pub(super) fn check_lists(&self) -> Result<()> {
        let order = |name: &[u8]| Error::EntryOrder {
            path: self.path.clone(),
            name: name.into(),
        };
        if let Some(pair) = self.removed.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(order(&pair[1]));
        }
        if let Some(pair) = self
            .upserts
            .windows(2)
            .find(|pair| pair[0].entry.name >= pair[1].entry.name)
        {
            return Err(order(&pair[1].entry.name));
        }
        if self.basis == Basis::Complete
            && let Some(name) = self.removed.first()
        {
            return Err(self.mismatch(name));
        }
        for upsert in &self.upserts {
            if let Some(file) = upsert.pending
                && !matches!(upsert.entry.kind, Kind::File { .. })
            {
                return Err(Error::WrongFile {
                    file,
                    name: upsert.entry.name.clone(),
                });
            }
        }
        Ok(())
    }

    fn mismatch(&self, name: &[u8]) -> Error {
        Error::DeltaMismatch {
            path: self.path.clone(),
            name: name.into(),
        }
    }
}

struct Merge<'a> {
    entries: Vec<Entry>,
    pending: Vec<(usize, FileId)>,
    /// Names that have still to be found.
    removed: &'a [Box<[u8]>],
}

impl Merge<'_> {
    fn take(&mut self, entry: &Entry, pending: Option<FileId>) {
        self.pending
            .extend(pending.map(|file| (self.entries.len(), file)));
        self.entries.push(entry.clone());
    }

    fn is_removed(&mut self, name: &[u8]) -> bool {
        match self.removed.split_first() {
            Some((first, rest)) if (**first).cmp(name) == Ordering::Equal => {
                self.removed = rest;
                true
            }
            _ => false,
        }
    }
}
