//! Pools of unchanged directories, and repair. Backends without pools have to pass as well: they just pool nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use storage::{BackupName, Basis, Finding, OpenOptions, PoolChangeKind, Pooling, Remedy, Store, Unwatched};

use crate::check::{Strictness::Exact, check_all, differences};
use crate::driver::{Until, back_up, header, take_in};
use crate::lab::{Kind, Lab, client, nth, server};

fn has_pools(lab: &Lab) -> bool {
    matches!(lab.kind, Kind::Ext4 | Kind::Plain)
}

fn fill(lab: &Lab) {
    for dir in ["a/deep/one", "a/deep/two", "b", "c/odd \n\\ name"] {
        for file in 0..12 {
            lab.write(
                &format!("{dir}/{file}"),
                format!("{dir} {file}").repeat(1000).as_bytes(),
            );
        }
    }
    fs::hard_link(lab.source().join("b/0"), lab.source().join("a/deep/one/link")).unwrap();
    lab.write("few/1", b"too few to be worth it");
    symlink(
        "../../../.perennial/pool/laptop/0123456789abcdef0123456789abcdef",
        lab.source().join("b/bait"),
    )
    .unwrap();
}

fn next(lab: &Lab, round: usize) -> storage::Committed {
    let basis = if round == 1 {
        Basis::Fresh
    } else {
        Basis::Backup(nth(round - 1))
    };
    back_up(lab.store(), &client("laptop"), &nth(round), basis, lab.source())
}

/// The paths that are links into the pool.
fn linked(lab: &Lab, name: &BackupName) -> Vec<String> {
    let links = lab.store().pool_links(&client("laptop"), name).unwrap();
    links
        .iter()
        .map(|link| link.path.escape_ascii().to_string())
        .collect()
}

fn pooled(lab: &Lab) -> usize {
    fs::read_dir(lab.storage().join(".perennial/pool/laptop")).map_or(0, Iterator::count)
}

fn in_tree(lab: &Lab, name: &BackupName, path: &str) -> PathBuf {
    lab.storage()
        .join("laptop")
        .join(name.as_str())
        .join("src")
        .join(path)
}

/// What a session has taken out of the pool is all there when it is interrupted, also beneath what it has come to.
pub fn a_change_between_two_sessions_beneath_a_pooled_directory(lab: Lab) {
    let laptop = client("laptop");
    fill(&lab);
    next(&lab, 1);
    next(&lab, 2);
    lab.store().pool_backup(&laptop, &nth(2)).unwrap();
    lab.write("a/new", b"so that a is taken out of the pool");
    let header = header(&laptop, &nth(3), Some(&nth(2)));
    let ingest = lab.store().begin(&laptop, &Basis::Backup(nth(2))).unwrap();
    // The root, the source and a.
    take_in(lab.store(), &ingest, &header, lab.source(), Until::Directories(3)).unwrap();
    drop(ingest);
    fs::remove_file(lab.source().join("a/deep/one/3")).unwrap();
    let ingest = lab.store().begin(&laptop, &Basis::Resume).unwrap();
    take_in(lab.store(), &ingest, &header, lab.source(), Until::End).unwrap();
    ingest.commit(&nth(3)).unwrap();
    check_all(lab.store(), Exact);
    assert!(!in_tree(&lab, &nth(3), "a/deep/one/3").exists());
    assert!(in_tree(&lab, &nth(2), "a/deep/one/3").exists());
}

pub fn unchanged_directories_are_pooled(mut lab: Lab) {
    fill(&lab);
    let laptop = client("laptop");
    next(&lab, 1);
    assert!(
        lab.store().pool_backup(&laptop, &nth(1)).unwrap().is_empty(),
        "there is no base"
    );
    lab.write("b/new", b"so b has changed");
    next(&lab, 2);
    let changes = lab.store().pool_backup(&laptop, &nth(2)).unwrap();
    check_all(lab.store(), Exact);
    if !has_pools(&lab) {
        assert!(changes.is_empty());
        return;
    }
    assert_eq!(linked(&lab, &nth(2)), ["src/a", "src/c"]);
    assert_eq!(linked(&lab, &nth(1)), ["src/a", "src/c"]);
    assert_eq!((changes.len(), pooled(&lab)), (4, 2));
    assert!(
        fs::symlink_metadata(in_tree(&lab, &nth(1), "a"))
            .unwrap()
            .is_symlink()
    );
    assert!(
        in_tree(&lab, &nth(2), "a/deep/one/0").exists(),
        "the kernel follows the link"
    );
    assert!(
        lab.store().pool_backup(&laptop, &nth(2)).unwrap().is_empty(),
        "nothing is left to do"
    );
    // The next ones take the links over.
    let committed = next(&lab, 3);
    assert_eq!(committed.pool_changes.len(), 2);
    assert!(
        committed
            .pool_changes
            .iter()
            .all(|change| change.kind == PoolChangeKind::Linked)
    );
    assert_eq!(
        lab.store().pool_backup(&laptop, &nth(3)).unwrap().len(),
        2,
        "b, in both"
    );
    check_all(lab.store(), Exact);
    lab.store().reap(&Unwatched).unwrap();
    lab.reopen();
    next(&lab, 4);
    check_all(lab.store(), Exact);
    assert_eq!(linked(&lab, &nth(4)), ["src/a", "src/b", "src/c"]);
    // Switched off, what is there stays, and nothing is added.
    lab.write("few/2", b"x");
    lab.store = None;
    let options = OpenOptions {
        pooling: Pooling::Off,
        ..OpenOptions::new(server())
    };
    lab.store = Some(Store::open(&lab.storage(), &options).unwrap());
    for file in 0..12 {
        lab.write(&format!("d/{file}"), b"x");
    }
    next(&lab, 5);
    next(&lab, 6);
    assert!(lab.store().pool_backup(&laptop, &nth(6)).unwrap().is_empty());
    assert_eq!(linked(&lab, &nth(6)).len(), 3);
    check_all(lab.store(), Exact);
}

pub fn a_change_beneath_a_pooled_directory(mut lab: Lab) {
    fill(&lab);
    let laptop = client("laptop");
    next(&lab, 1);
    next(&lab, 2);
    lab.store().pool_backup(&laptop, &nth(2)).unwrap();
    // In the last directory of it: those before have been passed as unchanged by then.
    lab.write("a/deep/two/5", b"changed");
    fs::remove_file(lab.source().join("a/deep/two/6")).unwrap();
    next(&lab, 3);
    check_all(lab.store(), Exact);
    lab.store().pool_backup(&laptop, &nth(3)).unwrap();
    check_all(lab.store(), Exact);
    if has_pools(&lab) {
        // All of the source was unchanged once, then all but what is around the change.
        assert_eq!(linked(&lab, &nth(1)), ["src"]);
        assert!(!linked(&lab, &nth(3)).contains(&"src".to_owned()));
    }
    // Interrupted when it had just come to be a directory again.
    next(&lab, 4);
    lab.store().pool_backup(&laptop, &nth(4)).unwrap();
    lab.write("a/deep/one/5", b"changed");
    lab.write("c/more", b"x");
    for stop in 1..8 {
        let ingest = lab
            .store()
            .begin(
                &laptop,
                &if stop == 1 {
                    Basis::Backup(nth(4))
                } else {
                    Basis::Resume
                },
            )
            .unwrap();
        let header = crate::driver::header(&laptop, &nth(5), Some(&nth(4)));
        let until = crate::driver::Until::Directories(stop);
        crate::driver::take_in(lab.store(), &ingest, &header, lab.source(), until).unwrap();
        drop(ingest);
        lab.reopen();
    }
    back_up(lab.store(), &laptop, &nth(5), Basis::Resume, lab.source());
    check_all(lab.store(), Exact);
    // A pooled directory whose own metadata changes, and one that goes.
    fs::set_permissions(
        lab.source().join("b"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    fs::remove_dir_all(lab.source().join("c")).unwrap();
    next(&lab, 6);
    lab.store().pool_backup(&laptop, &nth(6)).unwrap();
    check_all(lab.store(), Exact);
}

pub fn pooled_directories_are_freed(lab: Lab) {
    fill(&lab);
    let laptop = client("laptop");
    next(&lab, 1);
    next(&lab, 2);
    lab.store().pool_backup(&laptop, &nth(2)).unwrap();
    next(&lab, 3);
    for dir in ["a", "b", "c"] {
        lab.write(&format!("{dir}/changed"), b"x");
    }
    next(&lab, 4);
    if has_pools(&lab) {
        assert_eq!(pooled(&lab), 1);
    }
    // An incomplete backup may have links that no list names.
    drop(lab.store().begin(&laptop, &Basis::Backup(nth(4))).unwrap());
    for round in [2, 1, 3] {
        lab.store().delete(&laptop, &nth(round)).unwrap();
        lab.store().reap(&Unwatched).unwrap();
        check_all(lab.store(), Exact);
    }
    if has_pools(&lab) {
        assert_eq!(pooled(&lab), 1, "it is not decided while a backup is incomplete");
        lab.store()
            .discard_incomplete(&laptop, storage::BackupKind::File)
            .unwrap();
        let reaped = lab.store().reap(&Unwatched).unwrap();
        assert!(
            reaped
                .pool_changes
                .iter()
                .all(|change| change.kind == PoolChangeKind::Unlinked)
        );
        assert_eq!((reaped.pool_changes.len(), pooled(&lab)), (3, 0));
    }
    check_all(lab.store(), Exact);
}

pub fn repair_after_damage(mut lab: Lab) {
    fill(&lab);
    let laptop = client("laptop");
    next(&lab, 1);
    lab.write("few/2", b"x");
    next(&lab, 2);
    lab.store().pool_backup(&laptop, &nth(2)).unwrap();
    lab.store().reap(&Unwatched).unwrap();
    let plan = lab.store().plan_repair(&Unwatched).unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
    lab.store = None;
    fs::rename(lab.storage().join("laptop"), lab.storage().join("renamed")).unwrap();
    fs::create_dir(lab.storage().join("what is this")).unwrap();
    lab.reopen();
    let findings = |lab: &Lab| lab.store().plan_repair(&Unwatched).unwrap().steps;
    let apply = |lab: &Lab| {
        let repaired = lab
            .store()
            .apply_repair(&lab.store().plan_repair(&Unwatched).unwrap());
        assert!(repaired.failed.is_empty(), "{:?}", repaired.failed);
        repaired.done
    };
    let renamed = Finding::RenamedClient {
        client: laptop.clone(),
        found: "renamed".into(),
    };
    let unknown = Finding::UnknownEntry {
        name: "what is this".into(),
    };
    let found = findings(&lab);
    assert!(
        found.contains(&(renamed, Remedy::RenameBack)) && found.contains(&(unknown, Remedy::None)),
        "{found:?}"
    );
    apply(&lab);
    check_all(lab.store(), Exact);
    // A tree that no manifest knows, and a manifest whose tree is gone.
    fs::create_dir(lab.storage().join("laptop").join(nth(9).as_str())).unwrap();
    let stray = Finding::UnknownTree {
        client: laptop.clone(),
        name: nth(9).to_string(),
    };
    assert!(findings(&lab).contains(&(stray.clone(), Remedy::Trash)));
    assert_eq!(apply(&lab), std::slice::from_ref(&stray));
    assert!(!lab.storage().join("laptop").join(nth(9).as_str()).exists());
    if lab.kind == Kind::Btrfs {
        let tree = file_tree::Dir::open(&lab.storage().join("laptop").join(nth(1).as_str())).unwrap();
        cow_fs::btrfs::set_access(&tree, cow_fs::btrfs::Access::Writable).unwrap();
        drop(tree);
        let writable = Finding::Writable {
            client: laptop.clone(),
            backup: nth(1),
        };
        assert_eq!(apply(&lab), [writable]);
    }
    fs::remove_dir(lab.storage().join("what is this")).unwrap();
    if has_pools(&lab) {
        repair_pool(&lab);
    }
    assert!(findings(&lab).is_empty());
    check_all(lab.store(), Exact);
}

fn repair_pool(lab: &Lab) {
    let laptop = client("laptop");
    let manifests = lab.storage().join(".perennial/manifests/laptop");
    let list = manifests.join(format!("{}.pool", nth(1)));
    let apply = || {
        lab.store()
            .apply_repair(&lab.store().plan_repair(&Unwatched).unwrap())
    };
    // A copy has made the link absolute.
    let link = in_tree(lab, &nth(1), "a");
    let text = fs::read_link(&link).unwrap();
    let id = text.file_name().unwrap().to_owned();
    let parent = fs::File::open(link.parent().unwrap()).unwrap();
    let mtime = parent.metadata().unwrap().modified().unwrap();
    fs::remove_file(&link).unwrap();
    symlink(PathBuf::from("/mnt/old/.perennial/pool/laptop").join(&id), &link).unwrap();
    parent.set_modified(mtime).unwrap();
    assert!(!differences(lab.store(), &laptop, &nth(1), Exact).is_empty());
    assert_eq!(apply().done.len(), 1);
    assert_eq!(fs::read_link(&link).unwrap(), text);
    // The list is lost, damaged, or names too much.
    let content = fs::read(&list).unwrap();
    fs::remove_file(&list).unwrap();
    assert_eq!(apply().done.len(), 3);
    assert_eq!(fs::read(&list).unwrap(), content);
    fs::write(&list, b"perennial pool links 1\n").unwrap();
    assert_eq!(
        apply().done,
        [Finding::DamagedPoolList {
            client: laptop.clone(),
            backup: nth(1)
        }]
    );
    assert_eq!(fs::read(&list).unwrap(), content);
    let text = String::from_utf8(content.clone()).unwrap();
    let more = text.replace("end 3", &format!("{} src/few\nend 4", id.to_str().unwrap()));
    fs::write(&list, more).unwrap();
    let needless = Finding::NeedlessPoolEntry {
        client: laptop.clone(),
        backup: nth(1),
        path: b"src/few"[..].into(),
    };
    assert_eq!(apply().done, [needless]);
    assert_eq!(fs::read(&list).unwrap(), content);
    // Pooled directories: one that nothing links to, one that is gone.
    let pool = lab.storage().join(".perennial/pool/laptop");
    fs::create_dir(pool.join("0123456789abcdef0123456789abcdef")).unwrap();
    assert_eq!(apply().done.len(), 1);
    assert_eq!(pooled(lab), 3);
    fs::rename(pool.join(&id), lab.file_system().join("away")).unwrap();
    let plan = lab.store().plan_repair(&Unwatched).unwrap();
    assert_eq!(
        plan.steps
            .iter()
            .filter(|(_, remedy)| *remedy == Remedy::None)
            .count(),
        2,
        "{plan:?}"
    );
    fs::rename(lab.file_system().join("away"), pool.join(&id)).unwrap();
}
