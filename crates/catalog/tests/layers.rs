//! Groups, settings in layers, what protects a backup, and what the schedule asks of the past.

use catalog::{
    Archived, ArchivedUntil, BackupFigures, BackupFilter, BackupKind, BackupMode, BackupState, Catalog,
    Change, ChangeFilter, Error, JobEnd, JobKind, JobLine, LogLevel, NewBackup, NewJob, Outcome,
    OwnedSetting, SettingAction, SettingChange, SettingsOwner, StoredSetting, Track, Verification, Verified,
    Wait,
};

const HOUR_MS: i64 = 3_600_000;

fn fresh() -> (tempfile::TempDir, Catalog) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog
        .set_default_storage("a", std::path::Path::new("/a"))
        .expect("notes");
    (dir, catalog)
}

/// Records a backup, and with it its client.
fn back_up(
    catalog: &Catalog,
    client: &str,
    name: &str,
    mode: BackupMode,
    started_ms: i64,
) -> catalog::Backup {
    let backup = NewBackup {
        client: client.into(),
        storage: catalog::StorageId(1),
        name: name.into(),
        kind: BackupKind::File,
        mode,
        base: None,
        started_ms,
        finished_ms: started_ms + 1,
        outcome: Outcome::Finished,
        figures: BackupFigures::default(),
        digest: [0; 32],
        problem_count: 0,
        problems: Vec::new(),
    };
    catalog.adopt_backup(&backup).expect("records");
    catalog.backup(client, name).expect("is there")
}

fn setting(key: &str, action: SettingAction, value: &str) -> StoredSetting {
    StoredSetting {
        key: key.into(),
        action,
        value: value.into(),
    }
}

fn run_job(catalog: &Catalog, client: &str, end: &JobEnd, finished_ms: i64) {
    let job = NewJob {
        kind: JobKind::FileBackup,
        client: Some(client.into()),
        subject: None,
        mode: Some(BackupMode::Incremental),
        reason: None,
        queued_ms: 0,
    };
    let id = catalog.queue_job(&job).expect("queues");
    catalog.start_job(id, 1).expect("starts");
    catalog.finish_job(id, end, None, finished_ms).expect("ends");
}

#[test]
fn what_is_set_belongs_to_its_owner_until_it_is_not_set_any_more() {
    let (_dir, catalog) = fresh();
    back_up(&catalog, "anna", "260101-0000", BackupMode::Full, 1);
    catalog.create_group("laptops").expect("creates");
    let anna = SettingsOwner::Client("anna".into());
    let group = SettingsOwner::Group("laptops".into());
    let raw = setting("image_format", SettingAction::Set, "raw");
    let more = setting("archive", SettingAction::Add, "file every 30d keep 1y");
    let put = |owner: &SettingsOwner, setting: &StoredSetting| {
        catalog.change_settings(owner, &[SettingChange::Put(setting.clone())])
    };
    put(&anna, &setting("image_format", SettingAction::Set, "vhd")).expect("sets");
    put(&anna, &raw).expect("sets");
    put(&group, &more).expect("sets");
    let owned = |owner: &SettingsOwner, setting: &StoredSetting| OwnedSetting {
        owner: owner.clone(),
        setting: setting.clone(),
    };
    assert_eq!(
        catalog.all_settings().expect("reads"),
        [owned(&anna, &raw), owned(&group, &more)]
    );
    let unset = SettingChange::Unset {
        key: "image_format".into(),
    };
    catalog
        .change_settings(&anna, &[unset.clone(), unset])
        .expect("what is not set is no error");
    assert_eq!(catalog.all_settings().expect("reads"), [owned(&group, &more)]);
    let nobody = SettingsOwner::User("nobody".into());
    assert!(matches!(put(&nobody, &raw), Err(Error::UnknownClient { .. })));
    let nothing = SettingsOwner::Group("nothing".into());
    assert!(matches!(put(&nothing, &raw), Err(Error::UnknownGroup { .. })));
}

#[test]
fn a_group_goes_with_its_settings_and_leaves_its_clients() {
    let (_dir, catalog) = fresh();
    back_up(&catalog, "anna", "260101-0000", BackupMode::Full, 1);
    catalog.create_group("laptops").expect("creates");
    assert!(matches!(
        catalog.create_group("laptops"),
        Err(Error::DuplicateGroup { .. })
    ));
    catalog.create_group("servers").expect("creates");
    assert!(matches!(
        catalog.rename_group("servers", "laptops"),
        Err(Error::DuplicateGroup { .. })
    ));
    catalog.set_group("anna", Some("laptops")).expect("joins");
    catalog.rename_group("laptops", "mobile").expect("renames");
    assert_eq!(
        catalog.clients().expect("lists")[0].group.as_deref(),
        Some("mobile")
    );
    let owner = SettingsOwner::Group("mobile".into());
    let put = SettingChange::Put(setting("keep_daily", SettingAction::Set, "3"));
    catalog.change_settings(&owner, &[put]).expect("sets");
    catalog.delete_group("mobile").expect("deletes");
    assert!(catalog.all_settings().expect("reads").is_empty());
    assert_eq!(catalog.memberships().expect("lists").get("anna"), Some(&None));
}

#[test]
fn a_backup_comes_out_of_the_trash_only_until_it_goes_for_good() {
    let (_dir, catalog) = fresh();
    let backup = back_up(&catalog, "anna", "260101-0000", BackupMode::Full, 1);
    catalog.trash(&backup, 50).expect("trashes");
    assert!(matches!(
        catalog.trash(&backup, 60),
        Err(Error::UnknownBackup { .. })
    ));
    assert!(
        catalog
            .backups(&BackupFilter::committed())
            .expect("lists")
            .is_empty()
    );
    let trashed = catalog.backup("anna", "260101-0000").expect("reads");
    assert_eq!(
        (trashed.state, trashed.trashed_ms),
        (BackupState::Deleting, Some(50))
    );
    catalog.restore_from_trash(&backup).expect("restores");
    let back = catalog.backup("anna", "260101-0000").expect("reads");
    assert_eq!((back.state, back.trashed_ms), (BackupState::Committed, None));

    catalog.trash(&backup, 70).expect("trashes");
    catalog.begin_delete("anna", "260101-0000").expect("goes");
    assert!(matches!(
        catalog.restore_from_trash(&backup),
        Err(Error::UnknownBackup { .. })
    ));
}

#[test]
fn what_is_noted_of_a_backup_is_read_again() {
    let (_dir, catalog) = fresh();
    let backup = back_up(&catalog, "anna", "260101-0000", BackupMode::Full, 1);
    for until in [ArchivedUntil::Forever, ArchivedUntil::Time { at_ms: 7 }] {
        let archived = Archived {
            until,
            by: "admin".into(),
        };
        catalog
            .set_archived(backup.id, Some(&archived))
            .expect("archives");
        let read = catalog.backup("anna", "260101-0000").expect("reads");
        assert_eq!(read.archived, Some(archived));
    }
    let archived = Archived {
        until: ArchivedUntil::Forever,
        by: "rule one; rule two".into(),
    };
    catalog
        .set_archived(backup.id, Some(&archived))
        .expect("archives");
    let last = |by: &str| catalog.last_archived_ms("anna", by).expect("reads");
    assert_eq!((last("rule two"), last("rule")), (Some(1), None));
    catalog.set_archived(backup.id, None).expect("lets go");
    catalog.set_held(backup.id, Some("a lawsuit")).expect("holds");
    let verification = Verification {
        at_ms: 9,
        found: Verified::Failed,
    };
    catalog.set_verified(backup.id, verification, &[]).expect("notes");
    let read = catalog.backup("anna", "260101-0000").expect("reads");
    assert_eq!(read.archived, None);
    assert_eq!(read.held_for.as_deref(), Some("a lawsuit"));
    assert_eq!(read.verification, Some(verification));
}

#[test]
fn tracks_tell_the_last_of_each_mode_and_the_failures_since_the_last_success() {
    let (_dir, catalog) = fresh();
    back_up(&catalog, "anna", "a", BackupMode::Full, HOUR_MS);
    back_up(&catalog, "anna", "b", BackupMode::Full, 3 * HOUR_MS);
    let newest = back_up(&catalog, "anna", "c", BackupMode::Full, 4 * HOUR_MS);
    back_up(&catalog, "anna", "d", BackupMode::Incremental, 2 * HOUR_MS);
    back_up(&catalog, "bert", "a", BackupMode::Full, 5 * HOUR_MS);
    catalog.trash(&newest, 0).expect("trashes");
    let failed = JobEnd::Failed { error: "x".into() };
    run_job(&catalog, "anna", &failed, 10);
    run_job(&catalog, "anna", &JobEnd::Done, 20);
    run_job(&catalog, "anna", &failed, 30);
    run_job(&catalog, "anna", &JobEnd::Cancelled, 35);
    run_job(&catalog, "anna", &JobEnd::Interrupted { error: "y".into() }, 40);
    let tracks = catalog.tracks(None, 10 * HOUR_MS).expect("reads");
    let names: Vec<_> = tracks.iter().map(|track| track.client.as_str()).collect();
    assert_eq!(names, ["anna", "bert"]);
    let expected = Track {
        full_ms: Some(3 * HOUR_MS),
        incremental_ms: Some(2 * HOUR_MS),
        failures: 2,
        interruptions: 1,
        failed_ms: Some(40),
    };
    assert_eq!((tracks[0].files, tracks[0].images), (expected, Track::default()));
    assert_eq!(tracks[1].files.failures, 0);
    assert_eq!(tracks[1].files.full_ms, Some(5 * HOUR_MS));

    let before = catalog.tracks(Some("anna"), 2 * HOUR_MS).expect("reads");
    assert_eq!(before.len(), 1);
    let known = (before[0].files.full_ms, before[0].files.incremental_ms);
    assert_eq!(known, (Some(HOUR_MS), Some(2 * HOUR_MS)));
}

#[test]
fn the_last_wait_of_each_mode_is_kept() {
    let (_dir, catalog) = fresh();
    back_up(&catalog, "anna", "a", BackupMode::Full, 1);
    let mut wait = Wait {
        kind: BackupKind::File,
        mode: BackupMode::Incremental,
        reason: "not connected".into(),
        from_ms: 1,
        until_ms: None,
    };
    let note =
        |wait: &Wait| catalog.set_waits(&[("anna".into(), wait.clone()), ("nobody".into(), wait.clone())]);
    note(&wait).expect("notes");
    assert_eq!(
        catalog.open_waits().expect("reads"),
        [("anna".to_owned(), wait.clone())]
    );
    wait.until_ms = Some(9);
    note(&wait).expect("notes");
    assert_eq!(catalog.waits("anna").expect("reads"), [wait]);
    assert!(catalog.open_waits().expect("reads").is_empty());
}

#[test]
fn logs_are_in_order_and_go_with_what_they_are_of() {
    let (_dir, catalog) = fresh();
    back_up(&catalog, "anna", "a", BackupMode::Full, 1);
    run_job(&catalog, "anna", &JobEnd::Done, 5);
    let id = catalog.jobs(&Default::default()).expect("lists")[0].id;
    let line = |number: i64| JobLine {
        at_ms: number,
        level: LogLevel::Warning,
        text: format!("line {number}"),
    };
    catalog.log_job(id, &[line(1), line(2)]).expect("logs");
    catalog.log_job(id, &[line(3)]).expect("logs");
    assert_eq!(catalog.job_log(id).expect("reads"), [line(1), line(2), line(3)]);
    catalog.prune_jobs(6).expect("prunes");
    assert!(catalog.job_log(id).expect("reads").is_empty());

    for number in 0..5 {
        let change = Change {
            at_ms: number,
            who: "root".into(),
            origin: "local".into(),
            action: "setting".into(),
            subject: "anna".into(),
            detail: number.to_string(),
        };
        catalog.record_change(&change).expect("records");
    }
    assert_eq!(catalog.prune_changes(2).expect("prunes"), 2);
    let filter = ChangeFilter {
        limit: Some(2),
        ..ChangeFilter::default()
    };
    let details: Vec<_> = catalog
        .changes(&filter)
        .expect("lists")
        .into_iter()
        .map(|recorded| recorded.change.detail)
        .collect();
    assert_eq!(details, ["4", "3"]);
    let all = catalog.changes(&ChangeFilter::default()).expect("lists");
    let older = ChangeFilter {
        before: Some(all[0].id),
        ..ChangeFilter::default()
    };
    assert_eq!(catalog.changes(&older).expect("lists"), all[1..]);
    let having = |text: &str| {
        let filter = ChangeFilter {
            text: Some(text.to_owned()),
            ..ChangeFilter::default()
        };
        catalog.changes(&filter).expect("lists").len()
    };
    assert_eq!(
        (having("ANN"), having("3"), having("%"), having("_"), having("!")),
        (3, 1, 0, 0, 0)
    );
}
