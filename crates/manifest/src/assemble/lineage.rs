//! The directories between the root and where the assembly is, with the subdirectories that each has
//! listed: memory for the depth of the tree times its width.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::path::{MAX_NAME_BYTES, check_path, compare_paths, is_beneath, split_path};

/// Checks that directories come in order and that the parent of each lists it.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// Path of the directory that was entered last.
    path: Vec<u8>,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    /// This directory's path is so much of the last one's.
    path_bytes: usize,
    /// Names of the subdirectories, in order, each behind its length of one byte.
    names: Vec<u8>,
    /// Up to here the subdirectories have been entered, or can't be any more.
    at: usize,
}

impl Level {
    /// Whether the next subdirectories up to this one have it.
    fn take(&mut self, name: &[u8]) -> bool {
        while let Some((&len, rest)) = self.names[self.at..].split_first() {
            let listed = &rest[..usize::from(len)];
            match listed.cmp(name) {
                Ordering::Greater => return false,
                order => {
                    self.at += 1 + listed.len();
                    if order.is_eq() {
                        return true;
                    }
                }
            }
        }
        false
    }
}

impl Lineage {
    /// Goes to the next directory, whose subdirectories are to be listed then.
    pub(super) fn enter(&mut self, path: &[u8]) -> Result<()> {
        check_path(path)?;
        if !self.levels.is_empty() && compare_paths(&self.path, path).is_ge() {
            return Err(Error::DirectoryOrder {
                previous: self.path.as_slice().into(),
                path: path.into(),
            });
        }
        let unlisted = || Error::UnlistedDirectory { path: path.into() };
        match split_path(path) {
            None => {}
            Some((parent, name)) => {
                while self
                    .levels
                    .last()
                    .is_some_and(|level| !is_beneath(path, &self.path[..level.path_bytes]))
                {
                    self.levels.pop();
                }
                let level = self
                    .levels
                    .last_mut()
                    .filter(|level| self.path[..level.path_bytes] == *parent);
                if !level.ok_or_else(unlisted)?.take(name) {
                    return Err(unlisted());
                }
            }
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        self.levels.push(Level {
            path_bytes: path.len(),
            names: Vec::new(),
            at: 0,
        });
        Ok(())
    }

    /// Adds a subdirectory of the directory that was entered last.
    pub(super) fn list(&mut self, name: &[u8]) {
        if let Some(level) = self.levels.last_mut() {
            // A name has at most 255 bytes; one that has more is refused when its record is encoded.
            let name = &name[..name.len().min(MAX_NAME_BYTES)];
            level.names.push(name.len() as u8);
            level.names.extend_from_slice(name);
        }
    }
}
