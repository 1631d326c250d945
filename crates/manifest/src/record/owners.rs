//! The owners that occur in a record: each is written once, where it first occurs.

use std::collections::HashMap;

/// Owner and group, as numbers and by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Owner<'a> {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) user: Option<&'a str>,
    pub(super) group: Option<&'a str>,
}

/// Up to here the table is searched from end to end.
const LINEAR: usize = 16;

/// Owners in the order in which they occur.
#[derive(Debug, Default)]
pub(super) struct Owners<'a> {
    all: Vec<Owner<'a>>,
    /// Filled once there are more than [`LINEAR`].
    index: HashMap<Owner<'a>, usize>,
    last: usize,
}

impl<'a> Owners<'a> {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Owner<'a>> {
        self.all.get(at)
    }

    pub(super) fn find(&mut self, owner: &Owner<'a>) -> Option<usize> {
        if self.all.get(self.last) == Some(owner) {
            return Some(self.last);
        }
        let found = if self.all.len() <= LINEAR {
            self.all.iter().position(|known| known == owner)
        } else {
            self.index.get(owner).copied()
        };
        self.last = found.unwrap_or(self.last);
        found
    }

    /// Adds an owner that is not there yet.
    pub(super) fn add(&mut self, owner: Owner<'a>) {
        self.last = self.all.len();
        self.all.push(owner);
        match self.all.len() {
            0..=LINEAR => {}
            len if len == LINEAR + 1 => {
                self.index = self
                    .all
                    .iter()
                    .enumerate()
                    .map(|(at, owner)| (*owner, at))
                    .collect();
            }
            len => {
                self.index.insert(owner, len - 1);
            }
        }
    }
}
