//! Power losses while images are taken in, merged and deleted; see [`power`](crate::power).

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use scratch_fs::Scratch;
use storage::{BackupName, Store, Unwatched, VolumeFormat};

use crate::image_crash::disk;
use crate::image_driver::{Extent, check_image, nth_image, take_image};
use crate::lab::{Kind, Lab, client};
use crate::power::{boot_anew, clones_while};

/// More than are ever made.
const MOST_IMAGES: usize = 500;

/// Takes in images, one of them in two parts, and deletes from the middle, until it is told to stop.
fn work(lab: &Lab, committed: &Mutex<Vec<BackupName>>, stop: &AtomicBool) {
    let (store, laptop) = (lab.store(), client("laptop"));
    for number in 1..MOST_IMAGES {
        let name = nth_image(number);
        if number % 3 == 0 {
            take_image(store, &name, &disk(number), Extent::Blocks(1));
        }
        if !store.backups(&laptop).unwrap().contains(&name) {
            take_image(store, &name, &disk(number), Extent::All);
        }
        committed.lock().push(name);
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // No longer promised from before its deletion on.
        let middle = {
            let mut committed = committed.lock();
            (committed.len() > 3).then(|| committed.remove(1))
        };
        if let Some(middle) = middle {
            store.delete(&laptop, &middle).unwrap();
            store.reap(&Unwatched).unwrap();
        }
    }
}

fn survives(kind: Kind, format: Option<VolumeFormat>) {
    let Some(mut lab) = Lab::with_clones(kind) else {
        return;
    };
    lab.keep_images_in(format);
    let clones = clones_while(&lab, work);
    lab.store = None;
    assert!(!clones.is_empty());
    for (clone, promised) in clones {
        examine(&lab, &clone, &promised);
    }
}

/// Looks at a clone as the machine would after it came up again.
fn examine(lab: &Lab, clone: &Path, promised: &[BackupName]) {
    let mounted = Scratch::mount_image(clone).unwrap();
    let path = mounted.path().join("storage");
    let laptop = client("laptop");
    boot_anew(&path.join(".perennial/incomplete-images/laptop/state.toml"));
    let store = Store::open(&path, &lab.options()).unwrap();
    let problems = &store.recovered().problems;
    assert!(problems.is_empty(), "{problems:?}");
    let found = store.backups(&laptop).unwrap();
    for name in promised {
        assert!(found.contains(name), "{name} was committed and is gone");
    }
    store.reap(&Unwatched).unwrap();
    let numbers: Vec<usize> = found.iter().map(number_of).collect();
    for &number in &numbers {
        check_image(&store, &nth_image(number), &disk(number));
    }
    // What was interrupted is gone on with, or another begun.
    let next = 1 + numbers.iter().max().unwrap();
    take_image(&store, &nth_image(next), &disk(next), Extent::All);
    check_image(&store, &nth_image(next), &disk(next));
}

fn number_of(name: &BackupName) -> usize {
    (1..MOST_IMAGES)
        .find(|number| nth_image(*number) == *name)
        .unwrap()
}

#[test]
fn a_power_loss_on_btrfs_takes_no_image() {
    survives(Kind::Btrfs, None);
}

#[test]
fn a_power_loss_on_xfs_takes_no_image() {
    survives(Kind::Xfs, None);
}

#[test]
fn a_power_loss_on_ext4_takes_no_image_in_a_chain_of_qcow2() {
    survives(Kind::Ext4, None);
}

#[test]
fn a_power_loss_on_ext4_takes_no_image_in_a_chain_of_vhdx() {
    survives(Kind::Ext4, Some(VolumeFormat::Vhdx));
}

#[test]
fn a_power_loss_on_ext4_takes_no_image_in_a_chain_of_vhd() {
    survives(Kind::Ext4, Some(VolumeFormat::Vhd));
}
