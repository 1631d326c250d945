//! Damage to the files: a typed error or right answers, never a panic and never an empty catalog in its place.

use std::fs;
use std::path::{Path, PathBuf};

use catalog::{BackupFilter, Catalog, ChangeFilter, Error, JobFilter};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;

/// The bytes of a closed, filled catalog.
fn filled() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = database(dir.path());
    let raw = Connection::open(&path).expect("creates");
    raw.execute_batch(include_str!("fixtures/v1.sql")).expect("loads");
    drop(raw);
    let catalog = Catalog::open(dir.path()).expect("opens");
    // The last pages are those of the tables that came last: without something in them nothing is lost with them.
    let backup = &catalog.backups(&BackupFilter::default()).expect("lists")[0];
    let verification = catalog::Verification {
        at_ms: 1,
        found: catalog::Verified::Failed,
    };
    let problem = catalog::Problem {
        path: b"etc/hosts".to_vec(),
        kind: "content".into(),
        message: "is damaged".into(),
    };
    catalog
        .set_verified(backup.id, verification, &[problem])
        .expect("notes");
    catalog.begin_move("anna", backup.storage, 1).expect("notes");
    let sample = catalog::UsageSample {
        at_ms: 1,
        client: "anna".into(),
        storage: backup.storage,
        backups: 1,
        bytes_logical: 3,
        bytes_exclusive: 2,
        bytes_shared: 1,
    };
    catalog.add_usage(&[sample]).expect("notes");
    let failed = catalog::FailedLogIns {
        user_name: "anna".into(),
        address: "203.0.113.9".into(),
        failures: 1,
        last_ms: 1,
        locked_until_ms: 1,
    };
    catalog.note_failed_log_ins(&[failed], 0).expect("notes");
    let space = catalog::SpaceSample {
        storage: backup.storage,
        at_ms: 1,
        total_bytes: 2,
        free_bytes: 1,
    };
    catalog.add_space(&space).expect("notes");
    catalog.settle().expect("empties the log");
    drop(catalog);
    fs::read(path).expect("reads")
}

fn database(dir: &Path) -> PathBuf {
    dir.join("catalog.sqlite")
}

/// Opens a catalog of these bytes and calls all that reads, then something that writes.
fn use_all(bytes: &[u8]) -> Result<(), Error> {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(database(dir.path()), bytes).expect("writes");
    let catalog = Catalog::create_or_open(dir.path())?;
    catalog.totals()?;
    catalog.clients()?;
    catalog.tokens()?;
    catalog.revoked_serials()?;
    catalog.pause_client("anna", Some(1))?;
    for backup in catalog.backups(&BackupFilter::default())? {
        catalog.problems(backup.id)?;
        catalog.begin_delete(&backup.client, &backup.name)?;
    }
    catalog.jobs(&JobFilter::default())?;
    catalog.pool_links(catalog::StorageId(1), "anna")?;
    catalog.storages()?;
    catalog.default_storage()?;
    catalog.moves()?;
    catalog.damage(None)?;
    catalog.usage(&catalog::UsageFilter::default())?;
    catalog.space(catalog::StorageId(1), 0)?;
    catalog.all_settings()?;
    catalog.groups()?;
    catalog.tracks(None, i64::MAX)?;
    catalog.open_waits()?;
    catalog.waits("anna")?;
    catalog.changes(&ChangeFilter::default())?;
    for job in catalog.jobs(&JobFilter::default())? {
        catalog.job_log(job.id)?;
    }
    for user in catalog.users()? {
        catalog.grants(user.id)?;
    }
    catalog.roles()?;
    catalog.api_tokens(None)?;
    catalog.sessions(None)?;
    catalog.all_failed_log_ins()?;
    catalog.identify(&[1; 32])?;
    catalog.interrupt_jobs(1)?;
    catalog.check()
}

#[test]
fn undamaged_bytes_are_usable() {
    use_all(&filled()).expect("works");
}

#[test]
fn every_truncation_is_noticed() {
    let bytes = filled();
    for len in (0..bytes.len()).step_by(509).chain([1, 15, 16, 99, 100, 4096]) {
        let Err(error) = use_all(&bytes[..len]) else {
            panic!("it goes unnoticed that {} bytes are {len}", bytes.len());
        };
        assert!(matches!(error, Error::Corrupt { .. }), "{len} bytes: {error:?}");
    }
}

#[test]
fn other_content_is_not_a_catalog() {
    for content in [b"hello".to_vec(), vec![0; 8192], vec![0xff; 8192]] {
        let error = use_all(&content).expect_err("is no catalog");
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    }
    let dir = tempfile::tempdir().expect("temporary directory");
    let raw = Connection::open(database(dir.path())).expect("creates");
    raw.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 1;")
        .expect("fills");
    drop(raw);
    assert!(matches!(
        Catalog::create_or_open(dir.path()),
        Err(Error::Corrupt { .. })
    ));
}

#[test]
fn an_overwritten_page_is_noticed_by_check() {
    let bytes = filled();
    for page in 0..bytes.len() / 4096 {
        let mut damaged = bytes.clone();
        damaged[page * 4096..][..4096].fill(0xa5);
        let error = use_all(&damaged).expect_err("damage goes unnoticed");
        assert!(matches!(error, Error::Corrupt { .. }), "page {page}: {error:?}");
    }
}

#[test]
fn flipped_bits_cause_errors_but_no_panic() {
    let bytes = filled();
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let flips = prop::collection::vec((0..bytes.len(), 0..8_u8), 1..6);
    runner
        .run(&flips, |flips| {
            let mut damaged = bytes.clone();
            for (offset, bit) in flips {
                damaged[offset] ^= 1 << bit;
            }
            // Some flips hit free space or a text, and all is well: the point is that nothing panics or hangs.
            drop(use_all(&damaged));
            Ok(())
        })
        .expect("no panic");
}

#[test]
fn the_log_of_a_killed_server_may_be_cut_anywhere() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    for number in 0..5 {
        let job = catalog::NewJob {
            kind: catalog::JobKind::Verify,
            client: None,
            subject: Some("x".repeat(3_000)),
            mode: None,
            reason: None,
            queued_ms: number,
        };
        catalog.queue_job(&job).expect("queues");
    }
    // What a kill leaves: the files as they are while the catalog is open.
    let main = fs::read(database(dir.path())).expect("reads");
    let log = fs::read(dir.path().join("catalog.sqlite-wal")).expect("reads");
    let mut most = 0;
    for len in (0..=log.len()).step_by(1_031).chain([log.len()]) {
        let copy = tempfile::tempdir().expect("temporary directory");
        fs::write(database(copy.path()), &main).expect("writes");
        fs::write(copy.path().join("catalog.sqlite-wal"), &log[..len]).expect("writes");
        let reopened = Catalog::open(copy.path()).expect("opens");
        reopened.check().expect("is whole");
        let jobs = reopened.jobs(&JobFilter::default()).expect("lists").len();
        assert!(jobs >= most, "a longer log holds fewer jobs");
        most = jobs;
    }
    assert_eq!(most, 5, "what was committed is there after a kill");
}
