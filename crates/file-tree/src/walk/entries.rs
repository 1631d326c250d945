//! The entries of one directory: sorted, with all names in one allocation.

use crate::Stat;
use crate::arena::{Arena, Span};

/// The entries of a directory in the order of their names' bytes; no name occurs twice.
#[derive(Debug, Default)]
pub struct Entries {
    names: Arena,
    items: Vec<(Span, Stat)>,
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct Walked<'a> {
    /// The name.
    pub name: &'a [u8],
    /// What statx said about it.
    pub stat: &'a Stat,
}

impl Entries {
    /// Iterates over the entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Walked<'_>> + DoubleEndedIterator + '_ {
        self.items.iter().map(|(name, stat)| Walked {
            name: self.names.get(*name),
            stat,
        })
    }

    /// Returns the entry called `name`.
    pub fn get(&self, name: &[u8]) -> Option<Walked<'_>> {
        let found = self
            .items
            .binary_search_by(|(known, _)| self.names.get(*known).cmp(name))
            .ok()?;
        let (name, stat) = &self.items[found];
        Some(Walked {
            name: self.names.get(*name),
            stat,
        })
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns an empty list with room for `entries` entries whose names have `names_bytes` bytes together.
    pub(super) fn with_capacity(entries: usize, names_bytes: usize) -> Entries {
        Entries {
            names: Arena::with_capacity(names_bytes),
            items: Vec::with_capacity(entries),
        }
    }

    /// Adds an entry; [`sort`](Entries::sort) puts it into its place.
    pub(super) fn push(&mut self, name: &[u8], stat: Stat) {
        let name = self.names.push(name);
        self.items.push((name, stat));
    }

    /// Puts the entries in order. A name that was listed twice, as can happen while a directory changes,
    /// stays once.
    pub(super) fn sort(&mut self) {
        let names = &self.names;
        self.items
            .sort_unstable_by(|(a, _), (b, _)| names.get(*a).cmp(names.get(*b)));
        self.items
            .dedup_by(|(a, _), (b, _)| names.get(*a) == names.get(*b));
    }
}
