//! What becomes of one entry of the target: decided from what is there and what should be, without touching
//! either.

use file_tree::{FileType, Stat};
use manifest::{Entry, Kind};

use super::{Compare, Extra, OnConflict};

/// What is done about one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// It is there: only its metadata is made right.
    Keep,
    /// It is a regular file whose content has to be compared before it can be said.
    Compare,
    /// Nothing is there.
    Create,
    /// What is there is removed for it.
    Replace,
    /// A directory is there, and is removed for it with all that it holds.
    ReplaceTree,
    /// What is there gets another name.
    SetAside,
    /// What is there stays as it is.
    Skip,
    /// What is there is in the way, and the restore must not go on.
    Fail,
    /// A directory is there which may not be removed.
    Blocked,
}

/// How the restore deals with what is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) on_conflict: OnConflict,
    pub(super) extra: Extra,
    pub(super) compare: Compare,
}

impl Rules {
    /// Decides about an entry. `link` is where an existing symbolic link points to.
    pub(super) fn action(self, entry: &Entry, existing: Option<&Stat>, link: Option<&[u8]>) -> Action {
        let Some(existing) = existing else {
            return Action::Create;
        };
        let rdev = (existing.rdev.major, existing.rdev.minor);
        let right = match (&entry.kind, existing.kind) {
            (Kind::File { size, .. }, FileType::File) => {
                let seems_right = *size == existing.size && entry.metadata.mtime == existing.mtime;
                if !(seems_right && self.compare == Compare::SizeAndTime) {
                    return Action::Compare;
                }
                true
            }
            // Whether it is the right file is seen once the file is there.
            (Kind::HardLink { .. }, FileType::File) => return Action::Compare,
            (Kind::Directory, FileType::Directory) | (Kind::Fifo, FileType::Fifo) => true,
            (Kind::Symlink { target }, FileType::Symlink) => link == Some(&**target),
            (Kind::CharDevice { major, minor }, FileType::CharDevice)
            | (Kind::BlockDevice { major, minor }, FileType::BlockDevice) => (*major, *minor) == rdev,
            _ => false,
        };
        if right {
            Action::Keep
        } else {
            self.conflict(existing)
        }
    }

    /// Decides about something that is there and should be something else.
    pub(super) fn conflict(self, existing: &Stat) -> Action {
        match self.on_conflict {
            OnConflict::Skip => Action::Skip,
            OnConflict::Fail => Action::Fail,
            OnConflict::KeepBoth => Action::SetAside,
            OnConflict::Overwrite if existing.kind != FileType::Directory => Action::Replace,
            OnConflict::Overwrite if self.extra == Extra::Delete => Action::ReplaceTree,
            OnConflict::Overwrite => Action::Blocked,
        }
    }
}

/// The name under which something is kept that has to make room: the first of `NAME.kept`, `NAME.kept-2`, …
/// that is free.
pub(super) fn name_aside(name: &[u8], is_free: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let numbered = |number: u32| {
        let suffix = if number == 1 {
            ".kept".to_owned()
        } else {
            format!(".kept-{number}")
        };
        let room = manifest::MAX_NAME_BYTES - suffix.len();
        [&name[..name.len().min(room)], suffix.as_bytes()].concat()
    };
    let free = (1..u32::MAX).map(numbered).find(|name| is_free(name));
    free.expect("a directory has fewer than 2^32 names")
}

#[cfg(test)]
mod tests;
