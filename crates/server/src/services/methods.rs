//! Who may call which method: the one table that says so. A method that is not in it can't be called by anybody.
//!
//! What is said here is asked by the [gate](super::gate) before a method begins: whether the caller may do it to anything at all. The
//! method itself asks whether he may do it to what it is about.

use policy::access::Right;

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever connects: the method finds out by itself who that is.
    Anyone,
    /// An enrolled client, about itself.
    Clients,
    /// A user, about himself, and the local administrator; about others users with the right `users`.
    Users,
    /// The local administrator, and users who have one of these rights.
    Rights(&'static [Right]),
    /// These, and an enrolled client about itself.
    RightsOrClients(&'static [Right]),
}

/// Who may call the method of this path.
pub fn access_to(path: &str) -> Option<Access> {
    let name = path.strip_prefix("/perennial.v1.")?;
    METHODS
        .iter()
        .find(|(method, _)| *method == name)
        .map(|(_, access)| *access)
}

use Access::{Anyone, Clients, Rights, RightsOrClients, Users};

const STARTS: &[Right] = &[
    Right::StartIncrementalFile,
    Right::StartFullFile,
    Right::StartIncrementalImage,
    Right::StartFullImage,
];

/// Every method, and who may call it.
#[rustfmt::skip]
pub static METHODS: &[(&str, Access)] = &[
    ("Enrolment/Enrol", Anyone),
    ("Enrolment/FetchInstaller", Anyone),
    ("Accounts/LogIn", Anyone),
    ("Accounts/AskSetUp", Anyone),
    ("Accounts/SetUp", Anyone),

    ("Control/Attach", Clients),
    ("Backups/FileBackup", Clients),
    ("Backups/Queue", Clients),
    ("Backups/Withdraw", Clients),
    ("Backups/Restore", Clients),
    ("Images/ImageBackup", Clients),
    ("Images/FetchBlockHashes", Clients),

    ("Accounts/WhoAmI", Users),
    ("Accounts/LogOut", Users),
    ("Accounts/SetPassword", Users),
    ("Accounts/BeginTotp", Users),
    ("Accounts/ConfirmTotp", Users),
    ("Accounts/RemoveTotp", Users),
    ("Accounts/ListSessions", Users),
    ("Accounts/EndSession", Users),
    ("Accounts/CreateApiToken", Users),
    ("Accounts/ListApiTokens", Users),
    ("Accounts/RevokeApiToken", Users),
    ("Accounts/ListRoles", Users),

    ("Accounts/ListUsers", Rights(&[Right::Users])),
    ("Accounts/AddUser", Rights(&[Right::Users])),
    ("Accounts/RemoveUser", Rights(&[Right::Users])),
    ("Accounts/SetUserState", Rights(&[Right::Users])),
    ("Accounts/UnlockUser", Rights(&[Right::Users])),
    ("Accounts/GrantRole", Rights(&[Right::Users])),
    ("Accounts/RevokeRole", Rights(&[Right::Users])),
    ("Accounts/CreateRole", Rights(&[Right::Users])),
    ("Accounts/DeleteRole", Rights(&[Right::Users])),

    ("Admin/Status", Rights(&[Right::Status])),
    ("Admin/Doctor", Rights(&[Right::Status])),
    ("Admin/CreateToken", Rights(&[Right::Enrol])),
    ("Admin/RevokeClient", Rights(&[Right::Enrol])),
    ("Admin/ListTroubles", Rights(&[Right::See])),
    ("Admin/ListClients", Rights(&[Right::See])),
    ("Admin/ListJobs", Rights(&[Right::See])),
    ("Admin/Watch", Rights(&[Right::See])),
    ("Admin/JobLog", Rights(&[Right::Logs])),
    ("Admin/Follow", Rights(&[Right::Logs])),
    ("Admin/CancelJob", Rights(&[Right::Jobs])),
    ("Admin/RetryJob", Rights(&[Right::Jobs])),
    ("Admin/PauseJob", Rights(&[Right::Jobs])),
    ("Admin/ResumeJob", Rights(&[Right::Jobs])),
    ("Admin/RepairStorage", Rights(&[Right::Storage])),
    ("Admin/RebuildIndex", Rights(&[Right::Storage])),

    // It names clients, files and addresses.
    ("Admin/WatchLog", Rights(&[Right::Audit])),

    ("Clients/Disable", Rights(&[Right::Enrol])),
    ("Clients/Enable", Rights(&[Right::Enrol])),
    ("Clients/Remove", Rights(&[Right::Purge])),
    ("Clients/TakeBack", Rights(&[Right::Purge])),
    ("Clients/Rename", Rights(&[Right::Enrol])),

    ("Storages/List", Rights(&[Right::Status])),
    ("Storages/ListDamage", Rights(&[Right::See])),
    ("Storages/Usage", Rights(&[Right::See])),
    ("Storages/FreedBy", RightsOrClients(&[Right::See])),
    ("Storages/Add", Rights(&[Right::Storage])),
    ("Storages/Remove", Rights(&[Right::Storage])),
    ("Storages/Rename", Rights(&[Right::Storage])),
    ("Storages/Migrate", Rights(&[Right::Storage])),
    ("Storages/GiveUpMoves", Rights(&[Right::Storage])),
    ("Storages/Check", Rights(&[Right::Storage])),

    ("Backups/List", RightsOrClients(&[Right::See])),
    ("Backups/Show", RightsOrClients(&[Right::See])),
    ("Backups/Browse", RightsOrClients(&[Right::Browse])),
    ("Backups/Diff", RightsOrClients(&[Right::Browse])),
    ("Backups/ReadContent", RightsOrClients(&[Right::Restore])),
    // A manifest has the hashes of all content, and whoever knows the hash of something can have it.
    ("Backups/FetchManifest", RightsOrClients(&[Right::Restore])),
    ("Backups/Start", RightsOrClients(STARTS)),
    ("Backups/Verify", RightsOrClients(&[Right::Verify])),
    ("Backups/Delete", Rights(&[Right::Delete, Right::Purge])),

    ("Contents/Search", RightsOrClients(&[Right::Browse])),
    ("Contents/ListVersions", RightsOrClients(&[Right::Browse])),
    ("Contents/ShowImage", RightsOrClients(&[Right::Browse])),
    ("Contents/BrowseVolume", RightsOrClients(&[Right::Browse])),
    ("Contents/ReadArchive", RightsOrClients(&[Right::Restore])),
    ("Contents/ReadVolumeFile", RightsOrClients(&[Right::Restore])),
    ("Contents/RestoreToClient", Rights(&[Right::Restore])),
    // It takes space of the storage, so it is for people, not for machines that somebody may have taken over.
    ("Contents/PublishDisk", Rights(&[Right::Restore])),
    ("Contents/ListPublished", Rights(&[Right::Restore])),
    ("Contents/Unpublish", Rights(&[Right::Restore])),
    ("Contents/ReadPublished", Rights(&[Right::Restore])),

    ("Planning/Outlook", RightsOrClients(&[Right::See])),
    ("Planning/RetentionPlan", RightsOrClients(&[Right::See])),
    ("Planning/PlanFreeing", Rights(&[Right::Storage])),
    ("Planning/ListTrash", RightsOrClients(&[Right::See])),
    ("Planning/Pause", RightsOrClients(&[Right::Pause])),
    ("Planning/Protect", Rights(&[Right::Protect])),
    ("Planning/RestoreFromTrash", Rights(&[Right::Delete])),
    ("Planning/DeleteFromTrash", Rights(&[Right::Purge])),
    ("Planning/Cleanup", Rights(&[Right::Storage])),

    ("Settings/Explain", RightsOrClients(&[Right::See])),
    ("Settings/Change", RightsOrClients(&[Right::Settings])),
    ("Settings/ListGroups", Rights(&[Right::See])),
    ("Settings/CreateGroup", Rights(&[Right::Groups])),
    ("Settings/RenameGroup", Rights(&[Right::Groups])),
    ("Settings/DeleteGroup", Rights(&[Right::Groups])),
    ("Settings/SetGroup", Rights(&[Right::Groups])),
    ("Settings/ListChanges", Rights(&[Right::Audit])),

    ("Notify/ListChannels", Rights(&[Right::Notify])),
    ("Notify/AddChannel", Rights(&[Right::Notify])),
    ("Notify/EditChannel", Rights(&[Right::Notify])),
    ("Notify/RemoveChannel", Rights(&[Right::Notify])),
    ("Notify/TestChannel", Rights(&[Right::Notify])),
    ("Notify/ListMessages", Rights(&[Right::Notify])),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_method_is_in_the_table_once() {
        let declared: BTreeSet<_> = wire::METHODS.iter().copied().collect();
        let known: BTreeSet<_> = METHODS
            .iter()
            .map(|(name, _)| format!("/perennial.v1.{name}"))
            .collect();
        assert_eq!(known.len(), METHODS.len(), "a method is there twice");
        let known: BTreeSet<_> = known.iter().map(String::as_str).collect();
        assert_eq!(declared, known);
        assert!(declared.iter().all(|path| access_to(path).is_some()));
        assert_eq!(access_to("/perennial.v1.Admin/Nothing"), None);
    }

    #[test]
    fn the_manual_says_what_each_call_asks_for() {
        let manual = include_str!("../../../../docs/manual/users.md");
        for (name, access) in METHODS {
            let words = |rights: &[Right]| {
                let words: Vec<_> = rights.iter().map(|right| format!("`{right}`")).collect();
                words.join(" or ")
            };
            let asked = match access {
                Anyone => "nothing".to_owned(),
                Clients => "an enrolled client".to_owned(),
                Users => "a log-in; for others `users`".to_owned(),
                Rights(rights) => words(rights),
                RightsOrClients(rights) => format!("{}, or the client itself", words(rights)),
            };
            let row = format!("| `{name}` | {asked} |\n");
            assert!(manual.contains(&row), "docs/manual/users.md should hold:\n{row}");
        }
    }
}
