//! Copies: what is in them, what is left where one fails, and that they can be put back, also those of older versions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use catalog::{BackupFilter, Catalog, Error, SCHEMA_VERSION, Uuid};
use proptest::prelude::*;
use rusqlite::Connection;

fn database(dir: &Path) -> PathBuf {
    dir.join("catalog.sqlite")
}

/// Makes a catalog of a frozen version in `dir`.
fn freeze(dir: &Path, fixture: &str) {
    let raw = Connection::open(database(dir)).expect("creates");
    raw.execute_batch(fixture).expect("loads");
}

const FROZEN: [(i64, &str); 3] = [
    (1, include_str!("fixtures/v1.sql")),
    (2, include_str!("fixtures/v2.sql")),
    (3, include_str!("fixtures/v3.sql")),
];

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("lists");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_copy_has_what_the_catalog_has_and_only_its_owner_reads_it() {
    let dir = tempfile::tempdir().expect("temporary directory");
    freeze(dir.path(), FROZEN[2].1);
    let catalog = Catalog::open(dir.path()).expect("opens");
    // A name that an URI would take apart.
    let target = dir.path().join("copies?x=1#%41 ä");
    fs::create_dir(&target).expect("creates");
    let copy = target.join("catalog.sqlite");
    catalog.back_up_to(&copy).expect("copies");
    let facts = Catalog::inspect(&copy).expect("reads");
    let totals = catalog.totals().expect("counts");
    assert_eq!((facts.clients, facts.backups), (totals.clients, totals.backups));
    assert!(facts.backups > 0);
    assert_eq!(facts.server_id, catalog.server_id());
    assert_eq!(facts.schema, SCHEMA_VERSION);
    assert_eq!(names(&target), ["catalog.sqlite"]);
    let mode = fs::metadata(&copy).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_copy_made_while_others_write_is_one_state_of_the_catalog() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Either both have the same word or the copy is torn.
        scope.spawn(|| {
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                catalog.set_program(&number.to_string()).expect("writes");
                catalog
                    .set_default_storage(&number.to_string(), Path::new("/"))
                    .expect("writes");
            }
        });
        for number in 0..20 {
            let copy = dir.path().join(format!("copy-{number}"));
            catalog.back_up_to(&copy).expect("copies");
            let restored = dir.path().join(format!("restored-{number}"));
            let restored = Catalog::restore(&restored, &copy).expect("restores").catalog;
            let word = |text: Option<String>| text.map_or(0, |text| text.parse::<i64>().expect("a number"));
            let (program, storage) = (
                word(restored.program().expect("reads")),
                word(
                    restored
                        .default_storage()
                        .expect("reads")
                        .map(|storage| storage.identity),
                ),
            );
            assert!(program - storage <= 1, "{program} and {storage}");
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_copy_that_can_not_be_written_leaves_nothing_and_the_older_one_stays() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    let missing = dir.path().join("missing").join("copy");
    assert!(catalog.back_up_to(&missing).is_err());
    let target = tempfile::tempdir().expect("temporary directory");
    let copy = target.path().join("copy");
    catalog.back_up_to(&copy).expect("copies");
    fs::create_dir(target.path().join("copy.new")).expect("creates");
    assert!(catalog.back_up_to(&copy).is_err());
    Catalog::inspect(&copy).expect("is as it was");
}

#[test]
fn a_copy_of_every_version_is_put_back_and_migrated() {
    for (version, fixture) in FROZEN {
        let old = tempfile::tempdir().expect("temporary directory");
        freeze(old.path(), fixture);
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(database(dir.path()), b"damaged").expect("writes");
        let restored = Catalog::restore(dir.path(), &database(old.path())).expect("restores");
        restored.catalog.check().expect("is whole");
        assert!(
            !restored.catalog.clients().expect("lists").is_empty(),
            "v{version}"
        );
        let aside = restored.set_aside.expect("was there");
        assert_eq!(fs::read(aside).expect("reads"), b"damaged");
        assert_eq!(
            Catalog::inspect(&database(old.path()))
                .expect("is left alone")
                .schema,
            version
        );
        drop(restored.catalog);
        Catalog::open_unchanged(dir.path()).expect("is of the newest version");
    }
}

#[test]
fn what_a_crash_left_in_the_log_is_put_back_too() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog.set_program("in the log").expect("writes");
    let aside = tempfile::tempdir().expect("temporary directory");
    for part in ["catalog.sqlite", "catalog.sqlite-wal"] {
        fs::copy(dir.path().join(part), aside.path().join(part)).expect("copies");
    }
    let target = tempfile::tempdir().expect("temporary directory");
    let restored = Catalog::restore(target.path(), &database(aside.path())).expect("restores");
    assert_eq!(
        restored.catalog.program().expect("reads").as_deref(),
        Some("in the log")
    );
}

#[test]
fn a_copy_that_is_none_changes_nothing() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create(dir.path(), Uuid::from_u128(7)).expect("creates");
    let copy = dir.path().join("copy");
    catalog.back_up_to(&copy).expect("copies");
    assert!(matches!(
        Catalog::restore(dir.path(), &copy),
        Err(Error::Busy { .. })
    ));
    drop(catalog);
    let before = names(dir.path());
    let mut bytes = fs::read(&copy).expect("reads");
    bytes.truncate(bytes.len() / 2);
    fs::write(&copy, &bytes).expect("writes");
    for wrong in [copy.clone(), dir.path().join("no-such"), dir.path().to_owned()] {
        let refused = Catalog::restore(dir.path(), &wrong).expect_err("is refused");
        if wrong == copy {
            assert!(
                matches!(&refused, Error::Corrupt { path, .. } if *path == copy),
                "{refused}"
            );
        }
        assert_eq!(names(dir.path()), before);
    }
    let catalog = Catalog::open_unchanged(dir.path()).expect("opens");
    assert_eq!(catalog.server_id(), Uuid::from_u128(7));
}

#[test]
fn a_migration_keeps_what_was_before_it_and_no_more_than_two() {
    let dir = tempfile::tempdir().expect("temporary directory");
    freeze(dir.path(), FROZEN[0].1);
    fs::write(dir.path().join("catalog.sqlite.before-v1"), b"").expect("writes");
    fs::write(dir.path().join("catalog.sqlite.before-v2"), b"").expect("writes");
    assert!(matches!(
        Catalog::open_unchanged(dir.path()),
        Err(Error::OlderSchema { found: 1, .. })
    ));
    drop(Catalog::open(dir.path()).expect("migrates"));
    let kept: Vec<String> = names(dir.path())
        .into_iter()
        .filter(|name| name.contains("before"))
        .collect();
    let newest = format!("catalog.sqlite.before-v{SCHEMA_VERSION}");
    assert_eq!(kept, ["catalog.sqlite.before-v2", newest.as_str()]);
    let copy = dir.path().join(newest);
    assert_eq!(Catalog::inspect(&copy).expect("reads").schema, 1);
    drop(Catalog::restore(dir.path(), &copy).expect("can be put back"));
    let catalog = Catalog::open(dir.path()).expect("opens");
    assert_eq!(catalog.backups(&BackupFilter::default()).expect("lists").len(), 1);
}

/// The bytes of a catalog that its process did not close.
fn cut_short() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary directory");
    freeze(dir.path(), FROZEN[2].1);
    let catalog = Catalog::open(dir.path()).expect("opens");
    catalog.set_program("1").expect("writes");
    let left = tempfile::tempdir().expect("temporary directory");
    for part in ["catalog.sqlite", "catalog.sqlite-wal"] {
        fs::copy(dir.path().join(part), left.path().join(part)).expect("copies");
    }
    let path = database(left.path());
    (left, path)
}

#[test]
fn a_catalog_that_nobody_closed_is_looked_through_when_it_is_opened() {
    let (dir, path) = cut_short();
    drop(Catalog::open(dir.path()).expect("opens"));
    let (dir, copied) = cut_short();
    let raw = Connection::open(&path).expect("opens");
    let root: u32 = raw
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'problems'",
            [],
            |row| row.get(0),
        )
        .expect("reads");
    let page_bytes: u32 = raw
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .expect("reads");
    drop(raw);
    let mut bytes = fs::read(&copied).expect("reads");
    let at = ((root - 1) * page_bytes) as usize;
    bytes[at..at + page_bytes as usize].fill(0x5a);
    fs::write(&copied, bytes).expect("writes");
    assert!(matches!(Catalog::open(dir.path()), Err(Error::Corrupt { .. })));
}

#[test]
fn a_catalog_that_was_settled_has_nothing_in_its_log() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let catalog = Catalog::create_or_open(dir.path()).expect("creates");
    catalog.set_program("1").expect("writes");
    let log_bytes = || {
        let log = dir.path().join("catalog.sqlite-wal");
        fs::metadata(log).expect("is there").len()
    };
    assert!(log_bytes() > 0);
    catalog.settle().expect("settles");
    assert_eq!(log_bytes(), 0);
    assert_eq!(catalog.program().expect("reads").as_deref(), Some("1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is damaged in a copy: it is refused, or what it restores is whole.
    #[test]
    fn a_damaged_copy_is_refused_or_harmless(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let old = tempfile::tempdir().expect("temporary directory");
        freeze(old.path(), FROZEN[2].1);
        let path = database(old.path());
        let mut bytes = fs::read(&path).expect("reads");
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fs::write(&path, bytes).expect("writes");
        let dir = tempfile::tempdir().expect("temporary directory");
        if let Ok(restored) = Catalog::restore(dir.path(), &path) {
            restored.catalog.check().expect("is whole");
        } else {
            prop_assert!(!database(dir.path()).exists());
        }
    }
}
