//! Which calls of the services there are under `/api/v1`, one line each. Those that are not are in `LEFT_OUT`, with the reason.

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    /// As requests have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether what a call is told comes as a body, and not within the address.
    pub fn has_body(self) -> bool {
        !matches!(self, Self::Get | Self::Delete)
    }
}

/// One call of a service, as an address.
#[derive(Debug)]
pub struct Route {
    pub verb: Verb,
    /// Beneath `/api/v1`. What is in braces is a parameter with the field of the request that it becomes, as `{job:job_id}`; the field
    /// may be within another, there may be several, and it is left out where it has the name of the parameter.
    pub path: &'static str,
    /// The service and its method.
    pub rpc: &'static str,
    /// A field of the request without content of its own that is always there.
    pub sets: Option<&'static str>,
    /// Fields of the request that are nothing for callers.
    pub hides: &'static [&'static str],
    /// What tells it from another route to the same call.
    pub beside: &'static str,
    /// What it does, where the service does not say so.
    pub summary: &'static str,
    /// Whether it is for whoever connects.
    pub is_for_all: bool,
}

impl Route {
    const fn new(verb: Verb, path: &'static str, rpc: &'static str) -> Self {
        Self {
            verb,
            path,
            rpc,
            sets: None,
            hides: &[],
            beside: "",
            summary: "",
            is_for_all: false,
        }
    }

    const fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    const fn beside(self, beside: &'static str) -> Self {
        Self { beside, ..self }
    }

    const fn sets(self, field: &'static str) -> Self {
        Self {
            sets: Some(field),
            ..self
        }
    }

    const fn hides(self, hides: &'static [&'static str]) -> Self {
        Self { hides, ..self }
    }

    const fn for_all(self) -> Self {
        Self {
            is_for_all: true,
            ..self
        }
    }
}

const fn get(path: &'static str, rpc: &'static str) -> Route {
    Route::new(Verb::Get, path, rpc)
}

const fn post(path: &'static str, rpc: &'static str) -> Route {
    Route::new(Verb::Post, path, rpc)
}

const fn put(path: &'static str, rpc: &'static str) -> Route {
    Route::new(Verb::Put, path, rpc)
}

const fn patch(path: &'static str, rpc: &'static str) -> Route {
    Route::new(Verb::Patch, path, rpc)
}

const fn delete(path: &'static str, rpc: &'static str) -> Route {
    Route::new(Verb::Delete, path, rpc)
}

/// All of them, by what they are about.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    get("/status", "Admin/Status").says("The server: its version, its storage, its space and how many clients and backups it has."),
    get("/doctor", "Admin/Doctor").says("What the server finds when it looks at itself."),
    get("/troubles", "Admin/ListTroubles"),

    get("/clients", "Admin/ListClients").says("All clients, and how their backups stand."),
    post("/enrolment-tokens", "Admin/CreateToken").says("A token that lets new clients in, and how installers that bring it are had."),
    post("/clients/{client:name}/revoke", "Admin/RevokeClient").says("Lets a client in no more. Its backups stay."),
    post("/clients/{client:name}/disable", "Clients/Disable"),
    post("/clients/{client:name}/enable", "Clients/Enable"),
    delete("/clients/{client:name}", "Clients/Remove"),
    post("/clients/{client:name}/take-back", "Clients/TakeBack"),
    put("/clients/{client:name}/display-name", "Clients/Rename"),
    get("/clients/{client}/outlook", "Planning/Outlook").says("When the next backups of a client will be made, and what holds them back."),
    put("/clients/{client}/pause", "Planning/Pause"),
    put("/clients/{client}/group", "Settings/SetGroup").says("Puts a client into a group, or into none."),

    get("/backups", "Backups/List").says("All backups, or those of one client."),
    get("/clients/{client}/backups", "Backups/List").beside("of_client").says("The backups of a client."),
    post("/clients/{client}/backups", "Backups/Start").says("Starts a backup and follows it until it ends."),
    get("/clients/{client:client}/backups/{backup:name}", "Backups/Show").says("A backup, with its sources, its problems and what it takes."),
    delete("/clients/{client}/backups/{backup:name}", "Backups/Delete"),
    post("/clients/{client:backup.client}/backups/{backup:backup.name}/verify", "Backups/Verify").says("Verifies a backup and follows that until it ends."),
    put("/clients/{client:backup.client}/backups/{backup:backup.name}/protection", "Planning/Protect"),
    get("/clients/{client:backup.client}/backups/{backup:backup.name}/files", "Backups/Browse").says("What lies in a folder of a backup, or beneath it."),
    get("/clients/{client:backup.client}/backups/{backup:backup.name}/content", "Backups/ReadContent").hides(&["offset_bytes", "len_bytes"]),
    get("/clients/{client:from.client,to.client}/backups/{backup:from.name}/differences/{other:to.name}", "Backups/Diff").says("What has changed from one backup of a client to another."),

    get("/clients/{client}/search", "Contents/Search"),
    get("/clients/{client}/versions", "Contents/ListVersions"),
    get("/clients/{client:backup.client}/backups/{backup:backup.name}/archive", "Contents/ReadArchive").hides(&["offset_bytes", "is_measured"]),
    post("/clients/{client:backup.client}/backups/{backup:backup.name}/restore-to-client", "Contents/RestoreToClient"),
    get("/clients/{client}/backups/{backup:name}/image", "Contents/ShowImage"),
    get("/clients/{client:backup.client}/backups/{backup:backup.name}/volume/files", "Contents/BrowseVolume"),
    get("/clients/{client:backup.client}/backups/{backup:backup.name}/volume/content", "Contents/ReadVolumeFile").hides(&["offset_bytes", "len_bytes"]),
    post("/clients/{client:backup.client}/backups/{backup:backup.name}/published-disks", "Contents/PublishDisk"),
    get("/published-disks", "Contents/ListPublished"),
    delete("/published-disks/{disk:id}", "Contents/Unpublish"),
    get("/published-disks/{disk:id}/content", "Contents/ReadPublished").hides(&["offset_bytes", "len_bytes"]),

    get("/trash", "Planning/ListTrash").says("What lies in the trash, of all clients or of one."),
    post("/clients/{client}/trash/{backup:name}/restore", "Planning/RestoreFromTrash").says("Takes a backup back out of the trash."),
    delete("/clients/{client}/trash/{backup:name}", "Planning/DeleteFromTrash"),
    get("/retention-plan", "Planning/RetentionPlan").says("Which backups will go when, and why; and why the others stay."),
    get("/freeing-plan", "Planning/PlanFreeing"),
    post("/cleanups", "Planning/Cleanup"),

    get("/jobs", "Admin/ListJobs").says("Jobs that run, that wait and that have ended, the newest first."),
    get("/jobs/{job:job_id}", "Admin/JobLog").says("A job, with its log."),
    get("/jobs/{job:job_id}/events", "Admin/Follow"),
    post("/jobs/{job:job_id}/cancel", "Admin/CancelJob").says("Ends a job before it is done."),
    post("/jobs/{job:job_id}/pause", "Admin/PauseJob").says("Lets a job rest."),
    post("/jobs/{job:job_id}/resume", "Admin/ResumeJob").says("Lets a job that rests go on."),
    post("/jobs/{job:job_id}/retry", "Admin/RetryJob"),
    get("/events", "Admin/Watch"),
    get("/log", "Admin/WatchLog"),

    get("/storages", "Storages/List").says("All storages, and how full they are."),
    post("/storages", "Storages/Add").says("Adds a storage: a directory of the server."),
    patch("/storages/{storage:name}", "Storages/Rename").says("Gives a storage another name."),
    delete("/storages/{storage:name}", "Storages/Remove").says("Forgets a storage that has no backups. Its directory stays."),
    post("/storages/{storage}/repair", "Admin/RepairStorage").says("Looks for what is wrong with a storage, and puts it right if told to."),
    post("/storages/{storage}/rebuild-index", "Admin/RebuildIndex").says("Makes the index of a storage anew."),
    post("/moves", "Storages/Migrate"),
    delete("/moves", "Storages/GiveUpMoves"),
    post("/checks", "Storages/Check"),
    get("/damage", "Storages/ListDamage"),
    get("/usage", "Storages/Usage"),
    post("/freed-space", "Storages/FreedBy"),

    get("/settings", "Settings/Explain").sets("owner.server"),
    get("/groups/{group:owner.group}/settings", "Settings/Explain").beside("of_group"),
    get("/clients/{client:owner.client}/settings", "Settings/Explain").beside("of_client"),
    patch("/settings", "Settings/Change").sets("owner.server"),
    patch("/groups/{group:owner.group}/settings", "Settings/Change").beside("of_group"),
    patch("/clients/{client:owner.client}/settings", "Settings/Change").beside("of_client"),
    get("/groups", "Settings/ListGroups").says("All groups of clients."),
    post("/groups", "Settings/CreateGroup").says("Makes a group."),
    patch("/groups/{group:name}", "Settings/RenameGroup").says("Gives a group another name."),
    delete("/groups/{group:name}", "Settings/DeleteGroup").says("Deletes a group with its settings. Its clients are in none then."),
    get("/changes", "Settings/ListChanges"),

    get("/channels", "Notify/ListChannels").says("All channels that the server tells what happens."),
    post("/channels", "Notify/AddChannel").says("Adds a channel."),
    patch("/channels/{channel:name}", "Notify/EditChannel"),
    delete("/channels/{channel:name}", "Notify/RemoveChannel"),
    post("/channels/{channel:name}/test", "Notify/TestChannel"),
    get("/messages", "Notify/ListMessages").says("Messages that are on their way, have arrived or were given up."),

    post("/sessions", "Accounts/LogIn").for_all().says("Logs in: what it answers is the token of a session."),
    get("/sessions", "Accounts/ListSessions").says("Log-ins that hold: the caller's own, another user's, or all."),
    delete("/sessions/current", "Accounts/LogOut"),
    delete("/sessions/{session:id}", "Accounts/EndSession").says("Ends a session."),
    get("/account", "Accounts/WhoAmI").says("Who calls, and what he may."),
    get("/api-tokens", "Accounts/ListApiTokens").says("API tokens: the caller's own, another user's, or all."),
    post("/api-tokens", "Accounts/CreateApiToken").says("Makes an API token, which is shown this once."),
    delete("/api-tokens/{token:name}", "Accounts/RevokeApiToken").says("Revokes an API token."),
    get("/users", "Accounts/ListUsers").says("All users."),
    post("/users", "Accounts/AddUser").says("Adds a user."),
    delete("/users/{user:name}", "Accounts/RemoveUser").says("Removes a user with his sessions, tokens and grants."),
    put("/users/{user:name}/state", "Accounts/SetUserState").says("Lets a user in no more, or again."),
    post("/users/{user:name}/unlock", "Accounts/UnlockUser"),
    put("/users/{user}/password", "Accounts/SetPassword"),
    post("/users/{user}/second-factor", "Accounts/BeginTotp").says("Begins a second factor: its secret, for a program that makes codes."),
    post("/users/{user}/second-factor/confirm", "Accounts/ConfirmTotp").says("Confirms a second factor with a first code. From then on codes are asked for."),
    post("/users/{user}/second-factor/remove", "Accounts/RemoveTotp").says("Removes a second factor."),
    post("/users/{user}/grants", "Accounts/GrantRole").says("Gives a user a role."),
    delete("/users/{user}/grants/{role:grant.role}", "Accounts/RevokeRole").says("Takes a role from a user."),
    get("/roles", "Accounts/ListRoles").says("All roles, and their rights."),
    post("/roles", "Accounts/CreateRole").says("Makes a role."),
    delete("/roles/{role:name}", "Accounts/DeleteRole").says("Deletes a role that nobody has."),
];

/// Calls that are not in the API, and why. A test holds that no other is missing.
#[cfg(test)]
#[rustfmt::skip]
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("Enrolment/Enrol", "of clients, with a certificate request"),
    ("Enrolment/FetchInstaller", "at /install, for whoever brings a token"),
    ("Control/Attach", "of clients, both ways at once"),
    ("Backups/Queue", "of clients"),
    ("Backups/Withdraw", "of clients"),
    ("Backups/FileBackup", "of clients, both ways at once"),
    ("Backups/FetchManifest", "a format of its own, for clients"),
    ("Backups/Restore", "of clients, both ways at once"),
    ("Images/ImageBackup", "of clients, both ways at once"),
    ("Images/FetchBlockHashes", "of clients"),
    ("Accounts/AskSetUp", "for a server without users"),
    ("Accounts/SetUp", "for a server without users"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_is_in_the_api_or_left_out_for_a_reason() {
        let short = |path: &'static str| path.trim_start_matches("/perennial.v1.");
        let all: BTreeSet<&str> = wire::METHODS.iter().map(|path| short(path)).collect();
        let routed: BTreeSet<&str> = ROUTES.iter().map(|route| route.rpc).collect();
        let left_out: BTreeSet<&str> = LEFT_OUT.iter().map(|(rpc, _)| *rpc).collect();
        let both: Vec<_> = routed.intersection(&left_out).collect();
        assert!(both.is_empty(), "in the API and left out: {both:?}");
        let told: BTreeSet<&str> = routed.union(&left_out).copied().collect();
        let (missing, gone): (Vec<_>, Vec<_>) =
            (all.difference(&told).collect(), told.difference(&all).collect());
        assert!(
            missing.is_empty(),
            "put these into ROUTES or LEFT_OUT: {missing:?}"
        );
        assert!(gone.is_empty(), "these are no calls: {gone:?}");
    }
}
