//! The roles that every server has.

use super::right::Right;

/// The role that may do everything.
pub const ADMINISTRATOR: &str = "administrator";

/// A role that every server has and nobody changes.
#[derive(Debug)]
pub struct BuiltInRole {
    /// Its name.
    pub name: &'static str,
    /// What it may do.
    pub rights: &'static [Right],
    /// Whom it is for, as one sentence without full stop.
    pub about: &'static str,
}

/// The role of this name, if every server has it.
pub fn built_in_role(name: &str) -> Option<&'static BuiltInRole> {
    BUILT_IN_ROLES.iter().find(|role| role.name == name)
}

/// Every role that every server has, the mightiest first.
pub static BUILT_IN_ROLES: &[BuiltInRole] = &[
    BuiltInRole {
        name: ADMINISTRATOR,
        rights: &Right::ALL,
        about: "May do everything that the grant is for",
    },
    BuiltInRole {
        name: "operator",
        rights: &[
            Right::See,
            Right::Logs,
            Right::StartIncrementalFile,
            Right::StartFullFile,
            Right::StartIncrementalImage,
            Right::StartFullImage,
            Right::Verify,
            Right::Pause,
            Right::Jobs,
            Right::Protect,
            Right::Status,
        ],
        about: "Keeps backups going; sees no content, deletes nothing and changes no settings",
    },
    BuiltInRole {
        name: "restorer",
        rights: &[Right::See, Right::Browse, Right::Restore],
        about: "Looks into backups and has files given back",
    },
    BuiltInRole {
        name: "viewer",
        rights: &[Right::See, Right::Logs, Right::Status],
        about: "Sees how backups stand and why they fail, and changes nothing",
    },
];
