//! The rights that there are.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::settings::UserRight;

/// What a grant has to be for so that a right counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Everything, a group or a client: the right counts for what the grant is for.
    Client,
    /// Everything: the right is about the server as a whole.
    Server,
}

/// Something that a user may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// See that a client is there, and how its backups stand.
    See,
    /// Read the logs of its jobs.
    Logs,
    /// See the names of its files.
    Browse,
    /// Have the content of its files.
    Restore,
    /// Start an incremental file backup.
    StartIncrementalFile,
    /// Start a full file backup.
    StartFullFile,
    /// Start an incremental image backup.
    StartIncrementalImage,
    /// Start a full image backup.
    StartFullImage,
    /// Have backups verified.
    Verify,
    /// Let a client's backups rest.
    Pause,
    /// Pause and cancel jobs.
    Jobs,
    /// Change settings.
    Settings,
    /// Archive and hold backups.
    Protect,
    /// Delete backups so that they can be had back.
    Delete,
    /// Delete backups for good.
    Purge,
    /// Let clients in, and in no more.
    Enrol,
    /// See how the server is doing.
    Status,
    /// Make groups and say which clients are in them.
    Groups,
    /// Work on the storage as a whole.
    Storage,
    /// Say whom the server tells what.
    Notify,
    /// Read the audit log.
    Audit,
    /// Manage users.
    Users,
}

/// A text is no right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no right {word:?}")]
pub struct UnknownRight {
    /// The text.
    pub word: String,
}

impl Right {
    /// All rights, those about a client first.
    pub const ALL: [Self; 22] = [
        Self::See,
        Self::Logs,
        Self::Browse,
        Self::Restore,
        Self::StartIncrementalFile,
        Self::StartFullFile,
        Self::StartIncrementalImage,
        Self::StartFullImage,
        Self::Verify,
        Self::Pause,
        Self::Jobs,
        Self::Settings,
        Self::Protect,
        Self::Delete,
        Self::Purge,
        Self::Enrol,
        Self::Status,
        Self::Groups,
        Self::Storage,
        Self::Notify,
        Self::Audit,
        Self::Users,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        self.line().1
    }

    /// What a grant has to be for.
    pub fn reach(self) -> Reach {
        self.line().2
    }

    /// What it allows, as one sentence without full stop.
    pub fn about(self) -> &'static str {
        self.line().3
    }

    /// What a client's own user is asked for the same thing; `None` where that is not for him to do.
    pub fn of_own_user(self) -> Option<UserRight> {
        Some(match self {
            Self::StartIncrementalFile => UserRight::StartIncrementalFile,
            Self::StartFullFile => UserRight::StartFullFile,
            Self::StartIncrementalImage => UserRight::StartIncrementalImage,
            Self::StartFullImage => UserRight::StartFullImage,
            Self::Restore => UserRight::Restore,
            Self::Verify => UserRight::Verify,
            Self::Pause => UserRight::Pause,
            Self::Settings => UserRight::Settings,
            _ => return None,
        })
    }

    fn line(self) -> &'static Line {
        let line = TABLE.iter().find(|(right, ..)| *right == self);
        line.expect("the table has every right")
    }
}

/// A right, the word for it, what a grant has to be for, and what it allows.
type Line = (Right, &'static str, Reach, &'static str);

use Reach::{Client, Server};

#[rustfmt::skip]
static TABLE: &[Line] = &[
    (Right::See, "see", Client,
        "See the client, its backups with their sizes, its jobs, its settings, and what will be made and deleted when"),
    (Right::Logs, "logs", Client,
        "Read the logs of its jobs and the problems of its backups, which name files"),
    (Right::Browse, "browse", Client,
        "See the names, sizes and times of the files in its backups"),
    (Right::Restore, "restore", Client,
        "Have the content of its files"),
    (Right::StartIncrementalFile, "start-incremental-file", Client,
        "Start an incremental file backup"),
    (Right::StartFullFile, "start-full-file", Client,
        "Start a full file backup"),
    (Right::StartIncrementalImage, "start-incremental-image", Client,
        "Start an incremental image backup"),
    (Right::StartFullImage, "start-full-image", Client,
        "Start a full image backup"),
    (Right::Verify, "verify", Client,
        "Have its backups verified"),
    (Right::Pause, "pause", Client,
        "Let its scheduled backups rest, and go on"),
    (Right::Jobs, "jobs", Client,
        "Pause, resume and cancel its jobs"),
    (Right::Settings, "settings", Client,
        "Change its settings; those of a group with a grant for the group, the server's with one for everything"),
    (Right::Protect, "protect", Client,
        "Archive and hold its backups, and let go of them"),
    (Right::Delete, "delete", Client,
        "Delete its backups into the trash, and take them back"),
    (Right::Purge, "purge", Client,
        "Delete its backups for good, past the trash or out of it; remove it with all its backups, and take it back"),
    (Right::Enrol, "enrol", Client,
        "Make enrolment tokens for its name, revoke, disable and enable it; with a grant for everything, for new clients too. Whoever may do this can take the client's place and read its backups"),
    (Right::Status, "status", Server,
        "See the server's version, storage and space, and what the doctor finds"),
    (Right::Groups, "groups", Server,
        "Make groups and put clients into them, which also decides who has rights on them"),
    (Right::Storage, "storage", Server,
        "Clean up, plan what to give up, repair the storage, rebuild its index"),
    (Right::Notify, "notify", Server,
        "See and change whom the server tells what happens"),
    (Right::Audit, "audit", Server,
        "Read the audit log, and watch the server's log"),
    (Right::Users, "users", Server,
        "Manage users, roles, grants, API tokens and sessions; whoever may do this can get every other right"),
];

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(word: &str) -> Result<Self, UnknownRight> {
        let known = Self::ALL.into_iter().find(|right| right.word() == word);
        known.ok_or_else(|| UnknownRight {
            word: word.to_owned(),
        })
    }
}

/// Reads rights that are separated by commas; an empty text is none.
pub fn read_rights(text: &str) -> Result<BTreeSet<Right>, UnknownRight> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(str::parse).collect()
}

/// Shows rights as they are read.
pub fn show_rights<'a>(rights: impl IntoIterator<Item = &'a Right>) -> String {
    let words: Vec<_> = rights.into_iter().map(|right| right.word()).collect();
    words.join(",")
}
