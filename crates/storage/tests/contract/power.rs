//! Power losses: the device is cloned while backups run; whatever was committed by then is on the clone, and true.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use scratch_fs::Scratch;
use storage::{BackupName, Basis, OpenOptions, Store, Unwatched};

use crate::check::{Strictness, check, check_all};
use crate::driver::back_up;
use crate::lab::{Kind, Lab, client, nth, server};

const CLONES: usize = 8;

/// Backs up, changes, pools and deletes until it is told to stop.
fn work(lab: &Lab, committed: &Mutex<Vec<BackupName>>, stop: &AtomicBool) {
    let (store, laptop) = (lab.store(), client("laptop"));
    for round in 1.. {
        let base = committed.lock().last().cloned();
        back_up(
            store,
            &laptop,
            &nth(round),
            base.map_or(Basis::Fresh, Basis::Backup),
            lab.source(),
        );
        committed.lock().push(nth(round));
        if stop.load(Ordering::Relaxed) {
            return;
        }
        store.pool_backup(&laptop, &nth(round)).unwrap();
        let oldest = {
            let mut committed = committed.lock();
            // No longer promised from before its deletion on.
            if committed.len() > 4 {
                Some(committed.remove(0))
            } else {
                None
            }
        };
        if let Some(oldest) = oldest {
            store.delete(&laptop, &oldest).unwrap();
            store.reap(&Unwatched).unwrap();
        }
        lab.mutate(round, 5);
    }
}

fn survives(kind: Kind) {
    let Some(mut lab) = Lab::with_clones(kind) else {
        return;
    };
    lab.fill(11);
    for file in 0..30 {
        lab.write(&format!("same/{file}"), b"always the same");
    }
    let clones = clones_while(&lab, work);
    lab.store = None;
    for (clone, promised) in clones {
        examine(&lab, &clone, &promised);
    }
}

/// What works on a storage, notes what it has committed, and ends when it is told to.
pub type Work = fn(&Lab, &Mutex<Vec<BackupName>>, &AtomicBool);

/// Clones the device while something is done, each with what had been committed then and was not deleted meanwhile.
pub fn clones_while(lab: &Lab, work: Work) -> Vec<(PathBuf, Vec<BackupName>)> {
    let committed = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let mut clones = Vec::new();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| work(lab, &committed, &stop));
        while clones.len() < CLONES && !worker.is_finished() {
            let promised = committed.lock().clone();
            if promised.is_empty() {
                std::thread::yield_now();
                continue;
            }
            let clone = lab.clone_image();
            // What was being deleted meanwhile is not promised any more.
            let still: Vec<BackupName> = promised
                .into_iter()
                .filter(|name| committed.lock().contains(name))
                .collect();
            clones.push((clone, still));
        }
        stop.store(true, Ordering::Relaxed);
        worker.join().unwrap();
    });
    clones
}

/// Looks at a clone as the machine would after it came up again.
fn examine(lab: &Lab, clone: &Path, promised: &[BackupName]) {
    let mounted = Scratch::mount_image(clone).unwrap();
    let path = mounted.path().join("storage");
    let laptop = client("laptop");
    boot_anew(&path.join(".perennial/incomplete/laptop/state.toml"));
    let store = Store::open(&path, &OpenOptions::new(server())).unwrap();
    assert!(
        store.recovered().problems.is_empty(),
        "{:?}",
        store.recovered().problems
    );
    // Where inodes are shared, content may have its first owner's metadata.
    let strictness = if lab.kind == Kind::Ext4 {
        Strictness::Content
    } else {
        Strictness::Exact
    };
    for name in promised {
        check(&store, &laptop, name, strictness);
    }
    check_all(&store, strictness);
    store.reap(&Unwatched).unwrap();
    let newest = store.backups(&laptop).unwrap().last().cloned().unwrap();
    back_up(&store, &laptop, &nth(400), Basis::Backup(newest), lab.source());
    check_all(&store, strictness);
}

/// Lets the state of what was interrupted be of another boot, if there is one.
pub fn boot_anew(state: &Path) {
    if let Ok(text) = fs::read_to_string(state) {
        let text = text.lines().map(|line| {
            if line.starts_with("boot") {
                "boot = \"another\""
            } else {
                line
            }
        });
        fs::write(state, text.collect::<Vec<_>>().join("\n")).unwrap();
    }
}

#[test]
fn a_power_loss_on_btrfs_takes_nothing_committed() {
    survives(Kind::Btrfs);
}

#[test]
fn a_power_loss_on_xfs_takes_nothing_committed() {
    survives(Kind::Xfs);
}

#[test]
fn a_power_loss_on_ext4_takes_nothing_committed() {
    survives(Kind::Ext4);
}
