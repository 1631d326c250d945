//! Who may open a catalog, when it is made, and what a frozen database of each version holds.

use std::fs;
use std::path::Path;

use catalog::{
    ArchivedUntil, BackupFilter, Catalog, ClientState, Error, JobId, OwnedSetting, SCHEMA_VERSION, Scope,
    SettingAction, SettingsOwner, StorageId, StoredSetting, TokenHash, UsageFilter, UserState, Uuid,
    Verified,
};
use rusqlite::Connection;

fn database(dir: &Path) -> std::path::PathBuf {
    dir.join("catalog.sqlite")
}

#[test]
fn an_opened_catalog_has_the_id_it_was_created_with() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let state = dir.path().join("state");
    assert!(matches!(Catalog::open(&state), Err(Error::NotFound { .. })));
    let id = Uuid::from_u128(42);
    drop(Catalog::create(&state, id).expect("creates"));
    assert!(matches!(
        Catalog::create(&state, id),
        Err(Error::AlreadyExists { .. })
    ));
    let catalog = Catalog::create_or_open(&state).expect("opens");
    assert_eq!(catalog.server_id(), id);
    catalog.check().expect("is whole");
}

#[test]
fn two_do_not_share_a_catalog() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let first = Catalog::create_or_open(dir.path()).expect("creates");
    for second in [Catalog::open(dir.path()), Catalog::create_or_open(dir.path())] {
        let Err(Error::Busy { pid, .. }) = second else {
            panic!("opened twice")
        };
        assert_eq!(pid, Some(std::process::id()));
    }
    assert!(matches!(
        Catalog::rebuild(dir.path(), Uuid::nil()),
        Err(Error::Busy { .. })
    ));
    drop(first);
    Catalog::open(dir.path()).expect("opens after the first is closed");
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    drop(Catalog::create_or_open(dir.path()).expect("creates"));
    let raw = Connection::open(database(dir.path())).expect("opens");
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .expect("sets");
    drop(raw);
    let before = fs::read(database(dir.path())).expect("reads");
    let Err(Error::NewerSchema { found, known, .. }) = Catalog::create_or_open(dir.path()) else {
        panic!("not refused");
    };
    assert_eq!((found, known), (SCHEMA_VERSION + 1, SCHEMA_VERSION));
    assert_eq!(before, fs::read(database(dir.path())).expect("reads"));
}

#[test]
fn rebuilding_keeps_the_old_database() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(database(dir.path()), b"not a database").expect("writes");
    let first = Catalog::rebuild(dir.path(), Uuid::from_u128(1)).expect("rebuilds");
    let aside = first.set_aside.expect("was there");
    assert_eq!(fs::read(aside).expect("reads"), b"not a database");
    drop(first.catalog);
    let second = Catalog::rebuild(dir.path(), Uuid::from_u128(1)).expect("rebuilds again");
    assert!(
        second
            .set_aside
            .expect("was there")
            .ends_with("catalog.sqlite.old-2")
    );
}

#[test]
fn a_log_without_its_database_is_not_replayed() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("catalog.sqlite-wal"), vec![7; 4096]).expect("writes");
    fs::write(dir.path().join("catalog.sqlite.new"), b"half").expect("writes");
    Catalog::create_or_open(dir.path())
        .expect("creates")
        .check()
        .expect("is whole");
}

#[test]
fn a_database_of_version_1_opens_and_lists() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v1.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    assert_eq!(
        catalog.server_id().to_string(),
        "6f1d1e0e-4c39-4b0e-9c55-0c8f7a4a1e11"
    );
    let backups = catalog.backups(&BackupFilter::default()).expect("lists");
    assert_eq!(backups[0].name, "261123-0300");
    assert_eq!(
        catalog.problems(backups[0].id).expect("lists")[0].path,
        b"etc/\xff"
    );
    assert_eq!(catalog.clients().expect("lists").len(), 2);
    assert_eq!(catalog.tokens().expect("lists").len(), 1);
    assert_eq!(catalog.jobs(&Default::default()).expect("lists").len(), 1);
    assert_eq!(
        catalog.pool_links(StorageId(1), "anna").expect("lists")[0].links,
        3
    );
    // It is of the newest version now.
    catalog.create_group("laptops").expect("creates");
}

#[test]
fn a_database_of_version_2_has_settings_of_clients() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v2.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    let kept = OwnedSetting {
        owner: SettingsOwner::Client("anna".into()),
        setting: StoredSetting {
            key: "image_format".into(),
            action: SettingAction::Set,
            value: "vhd".into(),
        },
    };
    assert_eq!(catalog.all_settings().expect("reads"), [kept]);
}

#[test]
fn a_database_of_version_3_has_groups_a_trash_and_logs() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v3.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    assert_eq!(catalog.groups().expect("lists")[0].clients, 1);
    let layers: Vec<String> = catalog
        .all_settings()
        .expect("reads")
        .iter()
        .map(|owned| owned.owner.to_string())
        .collect();
    assert_eq!(
        layers,
        [
            "client anna",
            "group laptops",
            "the server",
            "the user of client anna"
        ]
    );
    let trashed = catalog.backup("anna", "261124-0300").expect("reads");
    assert_eq!(trashed.trashed_ms, Some(1_795_500_000_000));
    assert_eq!(trashed.held_for.as_deref(), Some("audit 2026"));
    assert_eq!(
        trashed.archived.expect("is archived").until,
        ArchivedUntil::Time {
            at_ms: 1_827_025_200_000
        }
    );
    assert_eq!(
        trashed.verification.expect("was verified").found,
        Verified::Passed
    );
    assert_eq!(catalog.job_log(JobId(1)).expect("reads").len(), 1);
    assert_eq!(catalog.waits("anna").expect("reads").len(), 1);
    assert_eq!(catalog.changes(&Default::default()).expect("reads").len(), 1);
}

#[test]
fn a_database_of_version_4_has_channels_and_messages() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v4.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    assert_eq!(catalog.channels().expect("lists")[0].name, "admins");
    assert_eq!(catalog.told().expect("lists")[0].what, "backup-failed");
    let due = catalog.due_messages(i64::MAX, 10).expect("lists");
    assert_eq!((due[0].channel_name.as_str(), due[0].failures), ("admins", 1));
}

#[test]
fn a_database_of_version_4_that_has_backups_has_a_storage() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v4.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    let before = catalog.default_storage().expect("reads").expect("is there");
    assert_eq!((before.name.as_str(), before.identity.as_str()), ("main", ""));
    let id = catalog
        .set_default_storage("b9b1", Path::new("/srv"))
        .expect("notes");
    assert_eq!(id, before.id);
    for backup in catalog.backups(&BackupFilter::default()).expect("lists") {
        assert_eq!(backup.storage, id);
    }
    assert_eq!(catalog.pool_links(id, "anna").expect("lists").len(), 1);
}

#[test]
fn a_database_of_version_5_has_storages_moves_damage_and_usage() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v5.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    let names: Vec<String> = catalog
        .storages()
        .expect("lists")
        .into_iter()
        .map(|storage| format!("{}={}", storage.name, storage.path.display()))
        .collect();
    assert_eq!(names, ["archive=/mnt/archive", "main=/srv/backup"]);
    let under_way = catalog.moves().expect("lists");
    assert_eq!(
        (under_way[0].client.as_str(), under_way[0].to),
        ("anna", StorageId(2))
    );
    assert_eq!(catalog.damage(None).expect("lists")[0].path, b"etc/hosts");
    let usage = catalog.usage(&UsageFilter::default()).expect("lists");
    assert_eq!(usage[0].bytes_exclusive, 1_250_000_000);
}

#[test]
fn a_database_of_version_6_has_users() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v6.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    let carla = catalog.user("carla").expect("reads");
    assert_eq!(
        carla.totp.expect("has one").last_step,
        Some(59_846_420),
        "codes of before are not taken again"
    );
    assert_eq!(carla.recovery_codes, 1);
    let granted: Vec<_> = catalog
        .grants(carla.id)
        .expect("reads")
        .into_iter()
        .map(|grant| (grant.role, grant.scope))
        .collect();
    assert_eq!(
        granted,
        [
            ("administrator".to_owned(), Scope::Everything),
            ("helpdesk".to_owned(), Scope::Group("laptops".to_owned())),
        ]
    );
    assert_eq!(catalog.roles().expect("reads")[0].rights, "see,logs,restore");
    let (token, user) = catalog
        .api_token(TokenHash([0x88; 32]))
        .expect("reads")
        .expect("is there");
    assert_eq!(token.scopes, Some(vec![Scope::Client("anna".to_owned())]));
    assert_eq!((user.name.as_str(), user.state), ("script", UserState::Disabled));
    let (session, user) = catalog
        .session(TokenHash([0x99; 32]))
        .expect("reads")
        .expect("is there");
    assert_eq!(
        (session.program.as_str(), user.name.as_str()),
        ("perennial 0.1.0", "carla")
    );
    assert!(catalog.knows_address(user.id, "203.0.113.9").expect("reads"));
    assert_eq!(catalog.all_failed_log_ins().expect("reads")[0].failures, 3);
}

#[test]
fn a_database_of_version_7_knows_who_is_disabled_and_how_full_storages_were() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v7.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    let client = catalog.client("bruno").expect("reads");
    assert_eq!(
        (client.state, client.disabled_ms),
        (ClientState::Disabled, Some(1_785_542_400_000))
    );
    let space = catalog.space(StorageId(1), 0).expect("reads");
    assert_eq!(
        (space[0].total_bytes, space[0].free_bytes),
        (4_000_000_000_000, 1_500_000_000_000)
    );
}

#[test]
fn a_database_of_version_8_knows_what_clients_are_called() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v8.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    let called = |name| catalog.client(name).expect("reads").display_name;
    assert_eq!(called("anna").as_deref(), Some("Anna's laptop"));
    assert_eq!(called("bruno"), None);
}

#[test]
fn a_database_of_version_9_knows_how_often_tokens_may_be_used() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch(include_str!("fixtures/v9.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.check().expect("is whole");
    let tokens = catalog.tokens().expect("reads");
    let several = tokens
        .iter()
        .find(|token| token.max_uses == 20)
        .expect("is there");
    assert_eq!(
        (several.uses, several.sources.as_slice()),
        (3, &["/srv/a".to_owned(), "/home".to_owned()][..])
    );
    // One that was made before, and used.
    let used = tokens
        .iter()
        .find(|token| token.used_ms.is_some() && token.max_uses == 1)
        .expect("is there");
    assert_eq!((used.uses, used.sources.len()), (1, 0));
}

#[test]
fn the_frozen_database_has_the_tables_of_a_new_one() {
    let schema = |raw: &Connection| -> Vec<(String, String)> {
        let mut statement = raw
            .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .expect("prepares");
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("queries");
        rows.map(|row| row.expect("row")).collect()
    };
    let dir = tempfile::tempdir().expect("temporary directory");
    drop(Catalog::create_or_open(dir.path()).expect("creates"));
    let new = Connection::open(database(dir.path())).expect("opens");
    let frozen = Connection::open_in_memory().expect("opens");
    frozen
        .execute_batch(include_str!("fixtures/v9.sql"))
        .expect("loads");
    assert_eq!(
        schema(&new),
        schema(&frozen),
        "a change of the schema needs a new version and a new fixture"
    );
}

#[test]
fn the_logs_index_is_in_memory_and_space_is_set_aside() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog.backups(&BackupFilter::default()).expect("reads");
    catalog.interrupt_jobs(1).expect("writes");
    assert!(dir.path().join("catalog.sqlite-wal").exists());
    assert!(!dir.path().join("catalog.sqlite-shm").exists());
    let ballast = || {
        let found = fs::metadata(dir.path().join("catalog.ballast")).expect("is there");
        std::os::unix::fs::MetadataExt::blocks(&found) * 512
    };
    // A file in pieces has blocks of the file system's own besides.
    const WHOLE: u64 = 8 << 20;
    assert!(ballast() >= WHOLE);
    assert!(catalog.make_room());
    assert!(ballast() < WHOLE);
    catalog.restock();
    assert!(ballast() >= WHOLE);
}
