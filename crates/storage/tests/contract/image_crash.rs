//! Kills a process at each point of some images' lives and looks at what it leaves; see [`crash`](crate::crash).

use std::path::Path;
use std::process::Command;

use storage::{OpenOptions, Store, Unwatched, VolumeFormat};

use crate::census::Census;
use crate::image_driver::{Disk, Extent, check_image, nth_image, take_image};
use crate::images::{Dice, change, first_disk};
use crate::lab::{Lab, client, server};

const STORAGE: &str = "STORAGE_IMAGE_CRASH_STORAGE";
const FORMAT: &str = "STORAGE_IMAGE_CRASH_FORMAT";
const POINT: &str = "STORAGE_IMAGE_CRASH_POINT";
const FEWEST_POINTS: u64 = 40;
const IMAGES: usize = 4;
/// The middle, then the oldest.
const DELETED: [usize; 2] = [2, 1];

/// What the n-th image is of.
pub fn disk(number: usize) -> Disk {
    let mut dice = Dice(77);
    let mut disk = first_disk(&mut dice);
    for _ in 1..number {
        change(&mut dice, &mut disk);
    }
    disk
}

/// What the child does, in such a way that it can be begun again wherever it ended.
fn live(store: &Store) {
    let laptop = client("laptop");
    for number in 1..=IMAGES {
        let images = store.backups(&laptop).unwrap();
        if images.last().is_some_and(|newest| *newest >= nth_image(number)) {
            continue;
        }
        if number == 3 {
            take_image(store, &nth_image(number), &disk(number), Extent::Blocks(1));
        }
        if !store.backups(&laptop).unwrap().contains(&nth_image(number)) {
            take_image(store, &nth_image(number), &disk(number), Extent::All);
        }
        store.account(&Unwatched).unwrap();
    }
    for number in DELETED {
        if store.backups(&laptop).unwrap().contains(&nth_image(number)) {
            store.delete(&laptop, &nth_image(number)).unwrap();
        }
        store.reap(&Unwatched).unwrap();
    }
}

fn check_all(store: &Store, when: &str) {
    for number in 1..=IMAGES {
        if store
            .backups(&client("laptop"))
            .unwrap()
            .contains(&nth_image(number))
        {
            println!("{when}: image {number}");
            check_image(store, &nth_image(number), &disk(number));
        }
    }
}

fn options(format: Option<VolumeFormat>) -> OpenOptions {
    OpenOptions {
        volume_format: format,
        ..OpenOptions::new(server())
    }
}

/// The child. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let Some(storage) = std::env::var_os(STORAGE) else {
        return;
    };
    let format = std::env::var(FORMAT).unwrap().parse().ok();
    storage::crash::arm(std::env::var(POINT).unwrap().parse().unwrap());
    live(&Store::open(Path::new(&storage), &options(format)).unwrap());
}

fn run_child(storage: &Path, format: Option<VolumeFormat>, point: u64) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "image_crash::child", "--nocapture"])
        .env(STORAGE, storage)
        .env(
            FORMAT,
            format.map(|format| format.to_string()).unwrap_or_default(),
        )
        .env(POINT, point.to_string())
        .output()
        .unwrap();
    match (output.status.success(), output.status.signal()) {
        (true, _) => true,
        (false, Some(9)) => false,
        other => panic!(
            "the child ended with {other:?} at point {point}: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

pub fn every_point_of_an_images_life(mut lab: Lab) {
    let formats: &[Option<VolumeFormat>] = match lab.kind {
        crate::lab::Kind::Plain => &[Some(VolumeFormat::Vhdx)],
        _ => &[None],
    };
    for &format in formats {
        lab.keep_images_in(format);
        points(&lab, format);
    }
}

fn points(lab: &Lab, format: Option<VolumeFormat>) {
    for point in 1.. {
        let when = format!("{format:?}, point {point}");
        let name = format!("storage-{point}");
        drop(lab.create_store(&name));
        let path = lab.file_system().join(&name);
        let survived = run_child(&path, format, point);
        let store = Store::open(&path, &options(format)).unwrap();
        let problems = &store.recovered().problems;
        assert!(problems.is_empty(), "{when}: {problems:?}");
        check_all(&store, &when);
        Census::compare(&store, lab.kind);
        live(&store);
        check_all(&store, &when);
        Census::compare(&store, lab.kind);
        let left: Vec<_> = (1..=IMAGES)
            .filter(|number| !DELETED.contains(number))
            .map(nth_image)
            .collect();
        assert_eq!(store.backups(&client("laptop")).unwrap(), left, "{when}");
        store.reap(&Unwatched).unwrap();
        let plan = store.plan_repair(&Unwatched).unwrap();
        assert!(plan.steps.is_empty(), "{when}: {plan:?}");
        for number in left {
            assert!(store.dependents(&client("laptop"), &number).unwrap().len() <= 1);
        }
        drop(store);
        crate::crash::remove_storage(&path);
        if survived {
            println!("killed at {} points", point - 1);
            assert!(point > FEWEST_POINTS, "the points are not compiled in");
            return;
        }
    }
}
