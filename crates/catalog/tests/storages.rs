//! Storages, moves between them, damage and usage.

use std::path::Path;

use catalog::{
    BackupFigures, BackupKind, BackupMode, BackupState, Catalog, Error, LogicalSize, Moved, NewBackup,
    Outcome, Problem, SettingsOwner, StorageId, UsageFilter, UsageSample, Verification, Verified,
};

fn catalog() -> (tempfile::TempDir, Catalog, StorageId, StorageId) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    let first = catalog.set_default_storage("a", Path::new("/a")).expect("notes");
    let second = catalog.add_storage("cold", "b", Path::new("/b")).expect("adds");
    (dir, catalog, first, second)
}

fn backup(storage: StorageId, name: &str) -> NewBackup {
    NewBackup {
        client: "anna".into(),
        storage,
        name: name.into(),
        kind: BackupKind::File,
        mode: BackupMode::Full,
        base: None,
        started_ms: 1,
        finished_ms: 2,
        outcome: Outcome::Finished,
        figures: BackupFigures::default(),
        digest: [0; 32],
        problem_count: 0,
        problems: Vec::new(),
    }
}

#[test]
fn a_storage_that_is_not_known_takes_the_place_of_the_default() {
    let (_dir, catalog, first, second) = catalog();
    catalog.adopt_backup(&backup(first, "1")).expect("adopts");
    let replaced = catalog.set_default_storage("c", Path::new("/c")).expect("notes");
    assert_eq!(replaced, first);
    assert_eq!(catalog.storage_totals(first).expect("counts").backups, 1);
    let known = catalog.set_default_storage("b", Path::new("/b2")).expect("notes");
    assert_eq!(known, second);
    let default = catalog.default_storage().expect("reads").expect("is there");
    assert_eq!(
        (default.name.as_str(), default.path.as_path()),
        ("cold", Path::new("/b2"))
    );
}

#[test]
fn names_and_identities_are_unique_and_what_is_in_use_stays() {
    let (_dir, catalog, first, second) = catalog();
    assert!(matches!(
        catalog.add_storage("cold", "x", Path::new("/x")),
        Err(Error::DuplicateStorage { .. })
    ));
    assert!(matches!(
        catalog.add_storage("other", "a", Path::new("/a")),
        Err(Error::KnownStorage { name, .. }) if name == "main"
    ));
    assert!(matches!(
        catalog.rename_storage("cold", "main"),
        Err(Error::DuplicateStorage { .. })
    ));
    catalog.adopt_backup(&backup(second, "1")).expect("adopts");
    assert!(matches!(
        catalog.forget_storage("cold"),
        Err(Error::StorageInUse {
            backups: 1,
            moves: 0,
            ..
        })
    ));
    catalog.begin_move("anna", first, 1).expect("begins");
    assert!(matches!(
        catalog.forget_storage("main"),
        Err(Error::StorageInUse {
            backups: 0,
            moves: 1,
            ..
        })
    ));
    assert!(matches!(
        catalog.forget_storage("no"),
        Err(Error::UnknownStorage { .. })
    ));
}

#[test]
fn a_move_ends_when_everything_is_there_and_not_before() {
    let (_dir, catalog, first, second) = catalog();
    for name in ["1", "2", "3"] {
        catalog.adopt_backup(&backup(first, name)).expect("adopts");
    }
    // On its way out: nobody waits for it.
    catalog.begin_delete("anna", "1").expect("deletes");
    catalog.begin_move("anna", second, 7).expect("begins");
    let there = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let lacking = catalog
        .finish_move("anna", second, &there(&["2"]), Some("cold"))
        .expect("tries");
    assert_eq!(lacking, Moved::Lacking(there(&["3"])));
    assert_eq!(catalog.moves().expect("lists").len(), 1);
    assert_eq!(catalog.backup("anna", "2").expect("reads").storage, first);
    let done = catalog
        .finish_move("anna", second, &there(&["2", "3", "4"]), Some("cold"))
        .expect("finishes");
    assert_eq!(done, Moved::Done);
    let lies = |name| catalog.backup("anna", name).expect("reads").storage;
    assert_eq!((lies("1"), lies("2"), lies("3")), (first, second, second));
    assert!(catalog.moves().expect("lists").is_empty());
    let settings = catalog.all_settings().expect("reads");
    assert_eq!(settings[0].owner, SettingsOwner::Client("anna".into()));
    assert_eq!(
        (
            settings[0].setting.key.as_str(),
            settings[0].setting.value.as_str()
        ),
        ("storage", "cold")
    );
}

#[test]
fn damage_is_what_the_last_verification_found_less_what_was_mended() {
    let (_dir, catalog, first, _) = catalog();
    catalog.adopt_backup(&backup(first, "1")).expect("adopts");
    let id = catalog.backup("anna", "1").expect("reads").id;
    let problem = |path: &str| Problem {
        path: path.as_bytes().to_vec(),
        kind: "content".into(),
        message: "does not have the manifest's hash".into(),
    };
    let failed = Verification {
        at_ms: 5,
        found: Verified::Failed,
    };
    catalog
        .set_verified(id, failed, &[problem("a"), problem("b")])
        .expect("notes");
    catalog
        .set_verified(id, failed, &[problem("b"), problem("c")])
        .expect("notes");
    let paths = || -> Vec<Vec<u8>> {
        let damage = catalog.damage(Some("anna")).expect("lists");
        damage.into_iter().map(|damage| damage.path).collect()
    };
    assert_eq!(paths(), [b"b", b"c"]);
    assert!(!catalog.forget_damage(id, b"b").expect("forgets"));
    assert!(catalog.forget_damage(id, b"c").expect("forgets"));
    assert!(paths().is_empty());
    catalog.set_verified(id, failed, &[problem("a")]).expect("notes");
    let backup = catalog.backup("anna", "1").expect("reads");
    catalog.trash(&backup, 9).expect("trashes");
    assert!(paths().is_empty(), "what is in the trash is nobody's worry");
    assert_eq!(
        catalog.backup("anna", "1").expect("reads").state,
        BackupState::Deleting
    );
}

#[test]
fn usage_is_kept_by_client_and_time() {
    let (_dir, catalog, first, second) = catalog();
    catalog.adopt_backup(&backup(first, "1")).expect("adopts");
    let sample = |at_ms, storage| UsageSample {
        at_ms,
        client: "anna".into(),
        storage,
        backups: 1,
        bytes_logical: 10,
        bytes_exclusive: 7,
        bytes_shared: 3,
    };
    let stranger = UsageSample {
        client: "nobody".into(),
        ..sample(1, first)
    };
    catalog
        .add_usage(&[sample(1, first), sample(2, first), sample(2, second), stranger])
        .expect("adds");
    let listed = catalog
        .usage(&UsageFilter {
            since_ms: Some(2),
            ..UsageFilter::default()
        })
        .expect("lists");
    assert_eq!(listed, [sample(2, first), sample(2, second)]);
    let thinned = catalog.usage(&UsageFilter {
        most_times: Some(1),
        ..UsageFilter::default()
    });
    assert_eq!(thinned.expect("lists"), [sample(2, first), sample(2, second)]);
    assert_eq!(catalog.last_usage_ms().expect("reads"), Some(2));
    catalog.prune_usage(2).expect("prunes");
    let all = catalog.usage(&UsageFilter::default()).expect("lists");
    assert_eq!(all.len(), 2);
}

#[test]
fn sizes_are_of_one_storage_and_no_sum_is_too_large() {
    let (_dir, catalog, first, second) = catalog();
    let sized = |client: &str, storage, name, bytes_logical| NewBackup {
        client: client.into(),
        figures: BackupFigures {
            bytes_logical,
            ..BackupFigures::default()
        },
        ..backup(storage, name)
    };
    const HUGE: u64 = i64::MAX as u64;
    for made in [
        sized("anna", first, "1", 3),
        sized("anna", first, "2", 4),
        sized("anna", second, "3", 100),
        sized("bert", first, "1", HUGE),
        sized("bert", first, "2", HUGE),
        sized("bert", first, "3", HUGE),
    ] {
        catalog.adopt_backup(&made).expect("adopts");
    }
    catalog.begin_delete("anna", "2").expect("marks");
    let size = |backups, bytes| LogicalSize { backups, bytes };
    let all = catalog.logical_sizes(first, None).expect("sums");
    assert_eq!(all["anna"], size(2, 7), "it takes room until it is gone");
    assert_eq!(all["bert"], size(3, u64::MAX));
    let one = catalog.logical_sizes(first, Some("anna")).expect("sums");
    assert_eq!((one.len(), one["anna"]), (1, size(2, 7)));
    assert!(
        catalog
            .logical_sizes(first, Some("nobody"))
            .expect("sums")
            .is_empty()
    );
    let overview = catalog.client_overview("bert").expect("reads");
    assert_eq!((overview.client.name.as_str(), overview.backups), ("bert", 3));
    assert!(catalog.client_overview("nobody").is_err());
}
