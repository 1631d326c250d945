//! Every method of every service, called by those who may not: a method that forgets to ask fails here.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod house;

use std::collections::BTreeSet;

use house::{House, THEIR_DISK, call, everything};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use wire::v1::access_scope::Scope;
use wire::v1::accounts_client::AccountsClient;
use wire::v1::admin_client::AdminClient;
use wire::v1::contents_client::ContentsClient;
use wire::v1::settings_client::SettingsClient;
use wire::v1::storages_client::StoragesClient;
use wire::v1::{self, settings_owner::Owner};

/// What a method answers to whoever connects.
const FOR_ANYONE: [&str; 5] = [
    "Enrolment/Enrol",
    "Enrolment/FetchInstaller",
    "Accounts/LogIn",
    "Accounts/AskSetUp",
    "Accounts/SetUp",
];
/// What is about the caller himself.
const FOR_USERS: [&str; 12] = [
    "Accounts/WhoAmI",
    "Accounts/LogOut",
    "Accounts/SetPassword",
    "Accounts/BeginTotp",
    "Accounts/ConfirmTotp",
    "Accounts/RemoveTotp",
    "Accounts/ListSessions",
    "Accounts/EndSession",
    "Accounts/CreateApiToken",
    "Accounts/ListApiTokens",
    "Accounts/RevokeApiToken",
    "Accounts/ListRoles",
];
/// What answers with what the caller sees.
const FILTERED: [&str; 8] = [
    "Admin/ListClients",
    "Admin/ListTroubles",
    "Admin/ListJobs",
    "Admin/Watch",
    "Backups/List",
    "Planning/RetentionPlan",
    "Planning/ListTrash",
    "Settings/ListGroups",
];

fn methods() -> impl Iterator<Item = &'static str> {
    let name = |path: &'static &'static str| path.strip_prefix("/perennial.v1.").unwrap();
    wire::METHODS.iter().map(name)
}

fn denied(method: &str, answer: Result<(), Status>) -> Status {
    let status = answer.expect_err(method);
    assert_eq!(status.code(), Code::PermissionDenied, "{method}: {status:?}");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_gets_nothing() {
    let house = House::start().await;
    let port = house.port().await;
    for method in methods().filter(|method| !FOR_ANYONE.contains(method)) {
        for token in [None, Some("perennial_api_nonsense"), Some("")] {
            let status = call(&port, token, method, ()).await.expect_err(method);
            assert_eq!(status.code(), Code::Unauthenticated, "{method}: {status:?}");
        }
    }
    // And what there is not is not there for anybody.
    for channel in [port, house.admin().await] {
        let status = call(&channel, None, "Admin/Nothing", ()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_rights_may_nothing() {
    let house = House::start().await;
    let token = house.user("nobody", &[]).await;
    let port = house.port().await;
    let mut refused = 0;
    for method in methods() {
        if FOR_ANYONE.contains(&method) || FOR_USERS.contains(&method) {
            continue;
        }
        denied(method, call(&port, Some(&token), method, ()).await);
        refused += 1;
    }
    assert_eq!(refused, wire::METHODS.len() - FOR_ANYONE.len() - FOR_USERS.len());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_let_through_to_what_is_its_own_only() {
    let house = House::start().await;
    let token = house
        .user("anna", &[("administrator", Scope::Client("mine".into()))])
        .await;
    let port = house.port().await;
    let mut seen = BTreeSet::new();
    for method in methods() {
        let skipped =
            FOR_ANYONE.contains(&method) || FOR_USERS.contains(&method) || FILTERED.contains(&method);
        if !skipped {
            denied(method, about_theirs(&port, &token, method).await);
        }
        seen.insert(method);
    }
    assert_eq!(seen.len(), wire::METHODS.len());
    house.end().await;
}

/// Calls a method about the client `theirs`, or about the group that it is not in, or about the server.
async fn about_theirs(port: &Channel, token: &str, method: &str) -> Result<(), Status> {
    let client = || "theirs".to_owned();
    let backup = || v1::BackupRef {
        client: client(),
        name: "latest".into(),
    };
    let job = || v1::JobRef { job_id: 2 };
    let of_group = || v1::SettingsOwner {
        owner: Some(Owner::Group("ours".into())),
    };
    let token = Some(token);
    match method {
        "Admin/CreateToken" => {
            let message = v1::CreateTokenRequest {
                client_name: client(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Admin/RevokeClient" => call(port, token, method, v1::ClientRef { name: client() }).await,
        "Admin/JobLog" | "Admin/Follow" | "Admin/CancelJob" | "Admin/RetryJob" | "Admin/PauseJob"
        | "Admin/ResumeJob" => call(port, token, method, job()).await,
        "Storages/ListDamage" => {
            let message = v1::ListDamageRequest { client: client() };
            call(port, token, method, message).await
        }
        "Storages/Usage" => {
            let message = v1::UsageRequest {
                client: client(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Storages/FreedBy" => {
            let message = v1::FreedByRequest {
                backups: vec![backup()],
            };
            call(port, token, method, message).await
        }
        "Backups/Show" | "Planning/RestoreFromTrash" | "Planning/DeleteFromTrash" => {
            call(port, token, method, backup()).await
        }
        "Backups/Browse" => {
            let message = v1::BrowseRequest {
                backup: Some(backup()),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Backups/ReadContent" => {
            let message = v1::ReadContentRequest {
                backup: Some(backup()),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Clients/Disable" | "Clients/Enable" | "Clients/Remove" | "Clients/TakeBack" => {
            call(port, token, method, v1::ClientRef { name: client() }).await
        }
        "Clients/Rename" => {
            let message = v1::RenameClientRequest {
                name: client(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/RestoreToClient" => {
            let message = v1::RestoreToClientRequest {
                backup: Some(backup()),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/Search" => {
            let message = v1::SearchRequest {
                client: client(),
                text: "x".into(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/ListVersions" => {
            let message = v1::ListVersionsRequest {
                client: client(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/ShowImage" => call(port, token, method, backup()).await,
        "Contents/ReadArchive" => {
            let message = v1::ReadArchiveRequest {
                backup: Some(backup()),
                format: "zip".into(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/BrowseVolume" => {
            let message = v1::BrowseVolumeRequest {
                backup: Some(backup()),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/ReadVolumeFile" => {
            let message = v1::ReadVolumeFileRequest {
                backup: Some(backup()),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/PublishDisk" => {
            let message = v1::PublishDiskRequest {
                backup: Some(backup()),
                format: "raw".into(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Contents/ListPublished" => {
            call(port, token, method, v1::ListPublishedRequest { client: client() }).await
        }
        "Contents/Unpublish" => {
            let message = v1::UnpublishRequest {
                id: THEIR_DISK.into(),
            };
            call(port, token, method, message).await
        }
        "Contents/ReadPublished" => {
            let message = v1::ReadPublishedRequest {
                id: THEIR_DISK.into(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Backups/Diff" => {
            let message = v1::DiffRequest {
                from: Some(backup()),
                to: Some(backup()),
            };
            call(port, token, method, message).await
        }
        "Backups/FetchManifest" => {
            let message = v1::ManifestRequest {
                which: Some(v1::manifest_request::Which::Backup(backup())),
            };
            call(port, token, method, message).await
        }
        "Backups/Start" => {
            let message = v1::StartRequest {
                client: client(),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Backups/Verify" => {
            let message = v1::VerifyRequest {
                backup: Some(backup()),
                ..Default::default()
            };
            call(port, token, method, message).await
        }
        "Backups/Delete" => {
            let message = |now| v1::DeleteRequest {
                client: client(),
                name: "latest".into(),
                now,
            };
            denied(method, call(port, token, method, message(false)).await);
            call(port, token, method, message(true)).await
        }
        "Planning/Outlook" => call(port, token, method, v1::OutlookRequest { client: client() }).await,
        "Planning/Pause" => {
            let message = v1::PauseRequest {
                client: client(),
                until_ms: 0,
            };
            call(port, token, method, message).await
        }
        "Planning/Protect" => {
            let message = v1::ProtectRequest {
                backup: Some(backup()),
                change: Some(v1::protect_request::Change::Hold("why".into())),
            };
            call(port, token, method, message).await
        }
        "Settings/Explain" => {
            let message = |owner| v1::ExplainRequest { owner };
            for owner in [None, Some(of_group())] {
                denied(method, call(port, token, method, message(owner)).await);
            }
            let owner = v1::SettingsOwner {
                owner: Some(Owner::Client(client())),
            };
            call(port, token, method, message(Some(owner))).await
        }
        "Settings/Change" => {
            let message = |owner| v1::ChangeSettingsRequest {
                owner,
                changes: Vec::new(),
            };
            for owner in [None, Some(of_group())] {
                denied(method, call(port, token, method, message(owner)).await);
            }
            let owner = v1::SettingsOwner {
                owner: Some(Owner::Client(client())),
            };
            call(port, token, method, message(Some(owner))).await
        }
        // All others are about the server as a whole, or for clients.
        _ => call(port, token, method, ()).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn published_disks_are_for_those_who_may_restore() {
    let house = House::start().await;
    let of_ours = house
        .user("anna", &[("restorer", Scope::Group("ours".into()))])
        .await;
    let of_all = house.user("bert", &[("restorer", everything())]).await;
    let administrator = house.user("carla", &[("administrator", everything())]).await;
    let port = house.port().await;
    let mut contents = ContentsClient::new(port.clone());
    let mut seen = Vec::new();
    for token in [&of_ours, &of_all, &administrator] {
        let all = v1::ListPublishedRequest::default();
        let listed = contents.list_published(with_token(token, all)).await.unwrap();
        let disks = listed.into_inner().disks;
        seen.push(
            disks
                .iter()
                .map(|disk| !disk.location.is_empty())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(seen, [vec![], vec![false], vec![true]]);
    for (id, code) in [
        (THEIR_DISK, Code::Ok),
        ("ba9876543210", Code::NotFound),
        ("../0123456789ab", Code::InvalidArgument),
        ("0123456789ab/..", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ] {
        let read = v1::ReadPublishedRequest {
            id: id.into(),
            ..Default::default()
        };
        let answer = call(&port, Some(&of_all), "Contents/ReadPublished", read).await;
        assert_eq!(
            answer.map_or_else(|status| status.code(), |()| Code::Ok),
            code,
            "{id}"
        );
    }
    let remove = || v1::UnpublishRequest {
        id: THEIR_DISK.into(),
    };
    call(&port, Some(&of_all), "Contents/Unpublish", remove())
        .await
        .unwrap();
    let again = call(&port, Some(&of_all), "Contents/Unpublish", remove())
        .await
        .unwrap_err();
    assert_eq!(again.code(), Code::NotFound);
    house.end().await;
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_what_the_user_sees() {
    let house = House::start().await;
    let by_group = house
        .user("anna", &[("viewer", Scope::Group("ours".into()))])
        .await;
    let of_all = house.user("bert", &[("viewer", everything())]).await;
    let port = house.port().await;
    for (token, clients, groups) in [
        (&by_group, vec!["mine"], vec!["ours"]),
        (&of_all, vec!["mine", "theirs"], vec!["ours"]),
    ] {
        let mut admin = AdminClient::new(port.clone());
        let listed = admin
            .list_clients(with_token(token, v1::ListClientsRequest::default()))
            .await
            .unwrap()
            .into_inner();
        let names: Vec<_> = listed.clients.iter().map(|client| client.name.as_str()).collect();
        assert_eq!(names, clients);
        let jobs = admin
            .list_jobs(with_token(token, v1::ListJobsRequest::default()))
            .await
            .unwrap()
            .into_inner();
        let mut of: Vec<_> = jobs.jobs.iter().map(|job| job.client.as_str()).collect();
        of.sort_unstable();
        assert_eq!(of, clients);
        let mut settings = SettingsClient::new(port.clone());
        let listed = settings
            .list_groups(with_token(token, v1::ListGroupsRequest {}))
            .await
            .unwrap()
            .into_inner();
        let names: Vec<_> = listed.groups.iter().map(|group| group.name.as_str()).collect();
        assert_eq!(names, groups);
    }
    let theirs = || v1::ListRequest {
        client: "theirs".into(),
    };
    let refused = denied(
        "Backups/List",
        call(&port, Some(&by_group), "Backups/List", theirs()).await,
    );
    assert_eq!(
        refused.message(),
        "user anna may not do that to client theirs: the user has the right see for others only"
    );
    call(&port, Some(&of_all), "Backups/List", theirs())
        .await
        .unwrap();
    let watch = v1::WatchRequest {
        client: "theirs".into(),
    };
    denied(
        "Admin/Watch",
        call(&port, Some(&by_group), "Admin/Watch", watch).await,
    );
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_take_is_told_to_who_sees_them() {
    let sample = |client: &str, storage| catalog::UsageSample {
        at_ms: 1000,
        client: client.into(),
        storage,
        backups: 1,
        bytes_logical: 10,
        bytes_exclusive: 5,
        bytes_shared: 0,
    };
    let house = House::start().await;
    let house = house
        .after(|catalog| {
            let storage = catalog.storages().unwrap()[0].id;
            let samples = [sample("mine", storage), sample("theirs", storage)];
            catalog.add_usage(&samples).unwrap();
        })
        .await;
    let by_group = house
        .user("anna", &[("viewer", Scope::Group("ours".into()))])
        .await;
    let of_all = house.user("bert", &[("viewer", everything())]).await;
    let mut storages = StoragesClient::new(house.port().await);
    for (token, clients) in [(&by_group, vec!["mine"]), (&of_all, vec!["mine", "theirs"])] {
        let asked = v1::UsageRequest {
            since_ms: 1,
            ..Default::default()
        };
        let told = storages
            .usage(with_token(token, asked))
            .await
            .unwrap()
            .into_inner();
        let of: Vec<_> = told.samples.iter().map(|sample| sample.client.as_str()).collect();
        assert_eq!(of, clients);
        let now = v1::UsageRequest::default();
        let told = storages.usage(with_token(token, now)).await.unwrap().into_inner();
        let tells_totals = !told.storages.is_empty();
        assert!(!tells_totals || clients.len() == 2, "totals are of all clients");
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_changes_its_group_changes_who_sees_it() {
    let house = House::start().await;
    let token = house
        .user("anna", &[("viewer", Scope::Group("ours".into()))])
        .await;
    let port = house.port().await;
    let outlook = |client: &str| v1::OutlookRequest {
        client: client.into(),
    };
    call(&port, Some(&token), "Planning/Outlook", outlook("mine"))
        .await
        .unwrap();
    let mut settings = SettingsClient::new(house.admin().await);
    for (client, group) in [("mine", ""), ("theirs", "ours")] {
        let put = v1::SetGroupRequest {
            client: client.into(),
            group: group.into(),
        };
        settings.set_group(put).await.unwrap();
    }
    let answer = call(&port, Some(&token), "Planning/Outlook", outlook("mine")).await;
    denied("Planning/Outlook", answer);
    call(&port, Some(&token), "Planning/Outlook", outlook("theirs"))
        .await
        .unwrap();
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_changes_nothing_of_its_own_account() {
    let house = House::start().await;
    let session = house.user("anna", &[("operator", everything())]).await;
    let port = house.port().await;
    let mut accounts = AccountsClient::new(port.clone());
    let asked = |password: &str| v1::CreateApiTokenRequest {
        name: "ci".into(),
        password: password.into(),
        ..Default::default()
    };
    // A session that was stolen is not to be worth more than itself.
    for (password, code) in [("", Code::InvalidArgument), ("a guess", Code::Unauthenticated)] {
        let refused = accounts
            .create_api_token(with_token(&session, asked(password)))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    let made = accounts
        .create_api_token(with_token(&session, asked(house::PASSWORD)))
        .await
        .unwrap()
        .into_inner();
    let token = Some(made.token.as_str());
    call(&port, token, "Admin/Status", ()).await.unwrap();
    call(&port, token, "Accounts/WhoAmI", ()).await.unwrap();
    for method in [
        "Accounts/SetPassword",
        "Accounts/BeginTotp",
        "Accounts/ConfirmTotp",
        "Accounts/RemoveTotp",
        "Accounts/CreateApiToken",
        "Accounts/RevokeApiToken",
        "Accounts/ListApiTokens",
        "Accounts/ListSessions",
    ] {
        denied(method, call(&port, token, method, ()).await);
    }
    // Nor does a session reach into other accounts.
    for (method, user) in [("Accounts/SetPassword", "bert"), ("Accounts/BeginTotp", "bert")] {
        let message = v1::SetPasswordRequest {
            user: user.into(),
            password: house::PASSWORD.into(),
            current: String::new(),
        };
        denied(method, call(&port, Some(&session), method, message).await);
    }
    house.end().await;
}
