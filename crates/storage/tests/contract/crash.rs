//! Kills a process at each point of a backup's life and looks at what it leaves.
//!
//! The test runs itself again as a child, armed by its environment; the child kills itself at the point, without any chance to
//! clean up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use storage::{Basis, OpenOptions, Store, Unwatched};

use crate::census::Census;
use crate::check::{Strictness::Exact, check_all};
use crate::driver::{Until, back_up, header, take_in};
use crate::lab::{Lab, client, nth, server};

const STORAGE: &str = "STORAGE_CRASH_STORAGE";
const SOURCES: &str = "STORAGE_CRASH_SOURCES";
const POINT: &str = "STORAGE_CRASH_POINT";
/// As many kills there are at least on each kind of storage.
const FEWEST_POINTS: u64 = 80;

/// What is the same for each backup, in `now`, and beside it what differs in a few places; [`arrange`] puts them together.
fn make_sources(lab: &Lab) -> PathBuf {
    let top = lab.source().to_owned();
    let write = |path: &str, content: &[u8]| {
        let path = top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    for file in 0..12 {
        // The very same files, or they are not pooled.
        write(&format!("now/same/{file}"), b"the same in all");
    }
    for round in 1..=3 {
        write(&format!("{round}/round"), round.to_string().as_bytes());
        write(
            &format!("{round}/changing/small"),
            format!("round {round}").as_bytes(),
        );
        let mut large = vec![7; 2 << 20];
        large[1 << 20] = round as u8;
        write(&format!("{round}/changing/large"), &large);
        write(&format!("{round}/only-{round}/file"), &vec![round as u8; 30_000]);
        let dir = top.join(round.to_string()).join("changing");
        fs::hard_link(dir.join("large"), dir.join("name")).unwrap();
    }
    top
}

/// Makes `now` the source of a round and returns its path.
fn arrange(sources: &Path, round: usize) -> PathBuf {
    let now = sources.join("now");
    let rest = now.join("rest");
    let round = round.to_string();
    match fs::read_to_string(rest.join("round")) {
        Ok(there) if there == round => return now,
        Ok(there) => fs::rename(&rest, sources.join(there)).unwrap(),
        Err(_) => {}
    }
    fs::rename(sources.join(round), &rest).unwrap();
    now
}

/// What the child does, in such a way that it can be begun again wherever it ended.
fn live(store: &Store, sources: &Path) {
    let laptop = client("laptop");
    let source = |round: usize| arrange(sources, round);
    let backups = || store.backups(&laptop).unwrap();
    for round in 1..=3 {
        // Once the third is there, the first has been or is to be deleted.
        let is_done = backups().contains(&nth(round)) || round == 1 && backups().contains(&nth(2));
        if is_done {
            continue;
        }
        let base = (round > 1).then(|| nth(round - 1));
        let basis = match store.incomplete(&laptop).unwrap() {
            Some(_) => Basis::Resume,
            None => base.clone().map_or(Basis::Fresh, Basis::Backup),
        };
        if round == 2 && basis != Basis::Resume {
            // In two sessions.
            let ingest = store.begin(&laptop, &basis).unwrap();
            let header = header(&laptop, &nth(round), base.as_ref());
            take_in(store, &ingest, &header, &source(round), Until::Directories(4)).unwrap();
            ingest.suspend().unwrap();
        }
        let basis = if store.incomplete(&laptop).unwrap().is_some() {
            Basis::Resume
        } else {
            basis
        };
        let ingest = store.begin(&laptop, &basis).unwrap();
        let header = header(&laptop, &nth(round), base.as_ref());
        take_in(store, &ingest, &header, &source(round), Until::End).unwrap();
        ingest.commit(&nth(round)).unwrap();
        store.point_current(&laptop, &nth(round)).unwrap();
        store.pool_backup(&laptop, &nth(round)).unwrap();
        store.account(&Unwatched).unwrap();
    }
    if backups().contains(&nth(1)) {
        store.delete(&laptop, &nth(1)).unwrap();
    }
    store.reap(&Unwatched).unwrap();
    if backups().contains(&nth(2)) {
        store.delete(&laptop, &nth(2)).unwrap();
    }
    store.reap(&Unwatched).unwrap();
    store.account(&Unwatched).unwrap();
}

/// The child. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let Some(storage) = std::env::var_os(STORAGE) else {
        return;
    };
    let sources = PathBuf::from(std::env::var_os(SOURCES).unwrap());
    let point = std::env::var(POINT).unwrap().parse().unwrap();
    storage::crash::arm(point);
    let store = Store::open(Path::new(&storage), &OpenOptions::new(server())).unwrap();
    live(&store, &sources);
}

fn run_child(storage: &Path, sources: &Path, point: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(STORAGE, storage)
        .env(SOURCES, sources)
        .env(POINT, point.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    use std::os::unix::process::ExitStatusExt as _;
    match (status.success(), status.signal()) {
        (true, _) => true,
        (false, Some(9)) => false,
        other => panic!("the child ended with {other:?} at point {point}"),
    }
}

pub fn every_point(lab: Lab) {
    let sources = make_sources(&lab);
    let laptop = client("laptop");
    let options = OpenOptions::new(server());
    for point in 1.. {
        let name = format!("storage-{point}");
        drop(lab.create_store(&name));
        let path = lab.file_system().join(&name);
        let survived = run_child(&path, &sources, point);
        let store = Store::open(&path, &options).unwrap();
        assert!(
            store.recovered().problems.is_empty(),
            "point {point}: {:?}",
            store.recovered().problems
        );
        check_all(&store, Exact);
        let again = store.recover().unwrap();
        let did_nothing =
            again.completed.is_empty() && again.deleted.is_empty() && again.discarded.is_empty();
        assert!(
            did_nothing && again.resumable == store.recovered().resumable,
            "point {point}: {again:?}"
        );
        Census::compare(&store, lab.kind);
        live(&store, &sources);
        Census::compare(&store, lab.kind);
        assert_eq!(store.backups(&laptop).unwrap(), [nth(3)], "point {point}");
        assert_eq!(store.current(&laptop).unwrap(), Some(nth(3)), "point {point}");
        check_all(&store, Exact);
        drop(store);
        let store = Store::open(&path, &options).unwrap();
        store.reap(&Unwatched).unwrap();
        let plan = store.plan_repair(&Unwatched).unwrap();
        assert!(plan.steps.is_empty(), "point {point}: {plan:?}");
        drop(store);
        if survived {
            println!("killed at {} points", point - 1);
            assert!(point > FEWEST_POINTS, "the points are not compiled in");
            // From another storage everything is as good.
            let store = lab.store();
            back_up(store, &laptop, &nth(1), Basis::Fresh, &arrange(&sources, 1));
            check_all(store, Exact);
            return;
        }
        remove_storage(&path);
    }
}

/// Makes room for the next; subvolumes are removed as directories once they can be changed.
pub fn remove_storage(path: &Path) {
    let parent = file_tree::Dir::open(path.parent().unwrap()).unwrap();
    let name = path.file_name().unwrap().as_encoded_bytes();
    for client in ["laptop"] {
        for entry in fs::read_dir(path.join(client)).into_iter().flatten().flatten() {
            if let Ok(tree) = file_tree::Dir::open(&entry.path()) {
                let _ = cow_fs::btrfs::set_access(&tree, cow_fs::btrfs::Access::Writable);
            }
        }
    }
    parent.remove_tree(name, file_tree::Subvolumes::Remove).unwrap();
}
