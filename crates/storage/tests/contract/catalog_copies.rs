//! Copies of the catalog: there as a whole or not at all, whatever cuts them short.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use storage::{CatalogCopies, CopyName, Error, OpenOptions, Store, examine};

use crate::lab::{Lab, server};

const STORAGE: &str = "STORAGE_COPIES_STORAGE";
const POINT: &str = "STORAGE_COPIES_POINT";
const FEWEST_POINTS: u64 = 4;

fn name(text: &str) -> CopyName {
    text.parse().unwrap()
}

fn place(lab: &Lab) -> PathBuf {
    lab.store.as_ref().unwrap().path().join(".perennial/catalog")
}

/// Makes a copy with this content.
fn copy(copies: &CatalogCopies, at: &str, content: &str) -> storage::Result<()> {
    let copy = copies.begin(&name(at))?;
    fs::write(copy.database(), content).unwrap();
    copy.add_key("authority.key.pem", b"secret")?;
    copy.finish()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn listed(copies: &CatalogCopies) -> Vec<String> {
    copies
        .list()
        .unwrap()
        .iter()
        .map(|copy| copy.name.to_string())
        .collect()
}

pub fn a_copy_is_listed_when_it_is_finished_and_nobody_else_reads_it(lab: Lab) {
    let store = lab.store.as_ref().unwrap();
    assert!(CatalogCopies::find(store.path()).unwrap().is_none());
    let copies = store.catalog_copies().unwrap();
    let unfinished = copies.begin(&name("20261130T030000Z")).unwrap();
    fs::write(unfinished.database(), "half").unwrap();
    assert_eq!(listed(&copies), [""; 0]);
    drop(unfinished);
    assert_eq!(fs::read_dir(place(&lab)).unwrap().count(), 0);
    copy(&copies, "20261130T030000Z", "one").unwrap();
    copy(&copies, "20261129T030000Z", "two").unwrap();
    assert!(matches!(
        copies.begin(&name("20261130T030000Z")),
        Err(Error::CopyExists { .. })
    ));
    // Whoever looks from outside sees the same, while the storage is open.
    let seen = CatalogCopies::find(store.path()).unwrap().unwrap();
    assert_eq!(listed(&seen), ["20261129T030000Z", "20261130T030000Z"]);
    let newest = seen.list().unwrap().pop().unwrap();
    assert_eq!(fs::read_to_string(&newest.database).unwrap(), "one");
    let keys = newest.keys.unwrap();
    assert_eq!(mode(&keys.join("authority.key.pem")), 0o600);
    for dir in [keys.as_path(), newest.database.parent().unwrap(), &place(&lab)] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    copies.remove(&name("20261130T030000Z")).unwrap();
    copies.remove(&name("20261130T030000Z")).unwrap();
    assert_eq!(listed(&copies), ["20261129T030000Z"]);
}

pub fn what_a_copy_leaves_that_was_cut_short_is_no_copy_and_goes(lab: Lab) {
    let copies = lab.store.as_ref().unwrap().catalog_copies().unwrap();
    copy(&copies, "20261129T030000Z", "whole").unwrap();
    let left = place(&lab).join(".20261130T030000Z.new");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("catalog.sqlite"), "half").unwrap();
    fs::create_dir(place(&lab).join("20261130T040000Z")).unwrap();
    assert_eq!(listed(&copies), ["20261129T030000Z"]);
    copy(&copies, "20261130T030000Z", "whole").unwrap();
    assert!(!left.exists());
    assert_eq!(listed(&copies), ["20261129T030000Z", "20261130T030000Z"]);
}

pub fn an_examination_finds_what_the_storage_is_and_leaves_no_trace(mut lab: Lab) {
    let store = lab.store.as_ref().unwrap();
    let (path, backend) = (store.path().to_owned(), store.backend());
    let names = || {
        let entries = fs::read_dir(path.join(".perennial")).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for _ in 0..2 {
        let examined = examine(&path).unwrap();
        assert_eq!((examined.owner, examined.backend), (server(), backend));
        assert_eq!(examined.lacking, None);
        examined.written.unwrap();
        assert_eq!(names(), before);
        // Once while it is open, once while it is not.
        lab.store = None;
    }
    Store::open(&path, &OpenOptions::new(server())).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(matches!(
        examine(elsewhere.path()),
        Err(Error::NotAStorage { .. })
    ));
    let missing = elsewhere.path().join("missing");
    assert!(matches!(examine(&missing), Err(Error::Missing { .. })));
}

/// Makes a copy, then removes the one before it.
fn live(copies: &CatalogCopies) {
    // It may have died after the copy was made.
    match copy(copies, "20261130T030000Z", "new") {
        Err(Error::CopyExists { .. }) => {}
        made => made.unwrap(),
    }
    copies.remove(&name("20261129T030000Z")).unwrap();
}

/// The child. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let Some(storage) = std::env::var_os(STORAGE) else {
        return;
    };
    let store = Store::open(Path::new(&storage), &OpenOptions::new(server())).unwrap();
    let copies = store.catalog_copies().unwrap();
    storage::crash::arm(std::env::var(POINT).unwrap().parse().unwrap());
    live(&copies);
}

/// Lives in a child that dies at a point. Returns whether it did not.
fn survives(storage: &Path, point: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "catalog_copies::child"])
        .env(STORAGE, storage)
        .env(POINT, point.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.signal() == Some(9),
        "{status} at point {point}"
    );
    status.success()
}

pub fn killed_at_any_point_a_copy_is_whole_or_not_there(mut lab: Lab) {
    let store = lab.store.take().unwrap();
    let path = store.path().to_owned();
    let old = "20261129T030000Z";
    copy(&store.catalog_copies().unwrap(), old, "old").unwrap();
    drop(store);
    for point in 1.. {
        let survived = survives(&path, point);
        let copies = CatalogCopies::find(&path).unwrap().unwrap();
        let found: Vec<String> = copies
            .list()
            .unwrap()
            .iter()
            .map(|copy| {
                assert!(copy.keys.is_some());
                fs::read_to_string(&copy.database).unwrap()
            })
            .collect();
        assert!(
            matches!(found.join(" ").as_str(), "old" | "old new" | "new"),
            "point {point}: {found:?}"
        );
        live(&copies);
        assert_eq!(listed(&copies), ["20261130T030000Z"]);
        let left = fs::read_dir(path.join(".perennial/catalog")).unwrap().count();
        // What a removal left goes with the next copy.
        assert!(left <= 2, "point {point}");
        copies.remove(&name("20261130T030000Z")).unwrap();
        copy(&copies, old, "old").unwrap();
        if survived {
            assert!(point > FEWEST_POINTS, "the points are not compiled in");
            return;
        }
    }
}

#[test]
fn other_names_are_none_of_copies() {
    for wrong in [
        "",
        "20261130T030000",
        "20261130 030000Z",
        "2026113OT030000Z",
        ".20261130T030000Z.new",
        "20261130T030000Z/",
    ] {
        assert!(wrong.parse::<CopyName>().is_err(), "{wrong}");
    }
}
