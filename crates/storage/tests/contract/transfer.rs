//! Backups are copied to another storage: all of them, with what they share, whatever comes between.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use storage::{
    BackendKind, BackupName, Basis, ClientName, Copied, Error, Finding, Monitor, OpenOptions, Store,
    TransferOptions, Transferred, Unwatched, transfer,
};

use crate::census::Census;
use crate::check::{Strictness, check, check_all, differences};
use crate::crash::remove_storage;
use crate::driver::{Until, back_up, header, take_in};
use crate::image_driver::{DISK, Disk, Extent, check_image, nth_image, take_image};
use crate::images::{Dice, change, first_disk};
use crate::lab::{Kind, Lab, client, nth, server};

const MIB: usize = 1 << 20;

/// What is told while a backup is transferred; ends the work when so much has been copied.
#[derive(Default)]
struct Watch {
    copied_bytes: AtomicU64,
    end_at_bytes: u64,
    damaged: Mutex<Vec<PathBuf>>,
}

impl Monitor for Watch {
    fn is_cancelled(&self) -> bool {
        self.end_at_bytes > 0 && self.copied_bytes.load(Ordering::Relaxed) >= self.end_at_bytes
    }

    fn copied(&self, _path: &[u8], len_bytes: u64) {
        self.copied_bytes.fetch_add(len_bytes, Ordering::Relaxed);
    }

    fn problem(&self, error: &Error) {
        match error {
            Error::DamagedContent { path, .. } => self.damaged.lock().push(path.clone()),
            other => panic!("{other}"),
        }
    }
}

fn copy_watched(from: &Store, to: &Store, who: &ClientName, name: &BackupName, watch: &Watch) -> Copied {
    match transfer(from, to, who, name, &TransferOptions::default(), watch).unwrap() {
        Transferred::Copied(copied) => *copied,
        Transferred::AlreadyThere => panic!("{who} {name} was there already"),
    }
}

fn copy(from: &Store, to: &Store, who: &ClientName, name: &BackupName) -> Copied {
    copy_watched(from, to, who, name, &Watch::default())
}

/// The order in which the laptop's backups are copied.
fn order(store: &Store) -> Vec<BackupName> {
    let order = store.transfer_order(&[client("laptop")]).unwrap();
    order.into_iter().map(|(_, name)| name).collect()
}

/// Moves all there is, as a server does. Returns how much was read.
fn copy_all(from: &Store, to: &Store) -> u64 {
    copy_all_with(from, to, &TransferOptions::default())
}

fn copy_all_with(from: &Store, to: &Store, options: &TransferOptions<'_>) -> u64 {
    let mut read_bytes = 0;
    for (who, name) in from.transfer_order(&from.clients().unwrap()).unwrap() {
        if let Transferred::Copied(copied) = transfer(from, to, &who, &name, options, &Unwatched).unwrap() {
            read_bytes += copied.read_bytes;
        }
        // Also where it was there already, since that may have been cut short.
        to.pool_backup(&who, &name).unwrap();
        if name.suffix().is_empty() {
            to.point_current(&who, &name).unwrap();
        }
    }
    to.reap(&Unwatched).unwrap();
    read_bytes
}

/// Fails unless all backups are in both, with the same manifests and all of their content.
fn compare_all(from: &Store, to: &Store) {
    assert_eq!(from.clients().unwrap(), to.clients().unwrap());
    for who in from.clients().unwrap() {
        assert_eq!(from.backups(&who).unwrap(), to.backups(&who).unwrap());
        for name in from.backups(&who).unwrap() {
            let (one, other) = (
                from.open_manifest(&who, &name).unwrap(),
                to.open_manifest(&who, &name).unwrap(),
            );
            assert_eq!(one.digest(), other.digest(), "{who} {name}");
            assert_eq!(
                (one.header(), one.conclusion(), one.totals()),
                (other.header(), other.conclusion(), other.totals())
            );
            other.verify().unwrap();
        }
    }
    check_all(to, strictness(to));
}

/// Reused content has the metadata of its first owner where inodes are shared.
fn strictness(store: &Store) -> Strictness {
    match store.backend() {
        BackendKind::Hardlink => Strictness::Content,
        BackendKind::Btrfs | BackendKind::Reflink => Strictness::Exact,
    }
}

pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for piece in bytes.chunks_mut(8) {
        let word = dice.below(usize::MAX) as u64;
        piece.copy_from_slice(&word.to_le_bytes()[..piece.len()]);
    }
    bytes
}

const ROUNDS: usize = 8;

/// A history of two clients with all that can be shared: blocks of a large file, renamed files, files of both clients, hard links, holes,
/// directories that never change.
fn make_history(lab: &Lab) {
    let mut large = noise(1, 12 * MIB);
    let same = noise(2, 4 * MIB);
    for file in 0..40 {
        lab.write(
            &format!("same/{}/{file}", file % 2),
            format!("{file}").repeat(2000).as_bytes(),
        );
    }
    let sparse = lab.source().join("sparse");
    let file = fs::File::create(&sparse).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(&noise(3, MIB), 30 << 20).unwrap();
    lab.write("links/one", &noise(4, 2 * MIB));
    fs::hard_link(lab.source().join("links/one"), lab.source().join("links/two")).unwrap();
    for round in 1..=ROUNDS {
        large[round * MIB..][..200_000].copy_from_slice(&noise(10 + round as u64, 200_000));
        lab.write("large", &large);
        if round > 1 {
            let (old, new) = (format!("name-{}", round - 1), format!("name-{round}"));
            fs::rename(lab.source().join(old), lab.source().join(new)).unwrap();
        } else {
            lab.write("name-1", &same);
        }
        lab.write(&format!("new/{round}"), &noise(100 + round as u64, 100_000));
        for who in ["laptop", "desktop"] {
            let name = if who == "laptop" {
                nth(2 * round)
            } else {
                nth(2 * round + 1)
            };
            let who = client(who);
            if who.as_str() == "desktop" && round % 4 != 0 {
                continue;
            }
            let base = lab.store().backups(&who).unwrap().pop();
            let basis = base.map_or(Basis::Fresh, Basis::Backup);
            back_up(lab.store(), &who, &name, basis, lab.source());
            lab.store().pool_backup(&who, &name).unwrap();
            lab.store().reap(&Unwatched).unwrap();
        }
    }
    // One in the middle is gone, so that the next has no base any more.
    lab.store().delete(&client("laptop"), &nth(10)).unwrap();
    lab.store().reap(&Unwatched).unwrap();
}

/// The bytes that two storages share nothing of, made in the same way.
fn growth(lab: &Lab, make: impl FnOnce(&Lab)) -> u64 {
    let before = lab.used_bytes();
    make(lab);
    lab.used_bytes().saturating_sub(before)
}

/// A history takes no more in the target than if it had been made there.
fn a_history_is_moved(from: Kind, to: Kind) {
    let (Some(old), Some(new), Some(native)) = (Lab::create(from), Lab::create(to), Lab::create(to)) else {
        return;
    };
    make_history(&old);
    let native_bytes = growth(&native, make_history);
    let mut read_bytes = 0;
    let moved_bytes = growth(&new, |new| read_bytes = copy_all(old.store(), new.store()));
    compare_all(old.store(), new.store());
    println!("{from:?} to {to:?}: {moved_bytes} bytes, made there: {native_bytes}");
    // A file system that others use too can't be measured.
    assert!(
        to == Kind::Plain || moved_bytes <= native_bytes + native_bytes / 10 + (2 << 20),
        "{moved_bytes} bytes in the target, {native_bytes} if they are made there"
    );
    // Of what the first backup shows – 64 MiB of it a sparse file – each of the others has less than a MiB.
    assert!(read_bytes < 100 << 20, "{read_bytes} bytes were read");
    // Nothing is copied a second time, and nothing needs a repair.
    assert_eq!(copy_all(old.store(), new.store()), 0);
    assert!(new.store().plan_repair(&Unwatched).unwrap().steps.is_empty());
    Census::compare(new.store(), to);
    assert_eq!(
        new.store().current(&client("laptop")).unwrap(),
        Some(nth(2 * ROUNDS))
    );
    // Each stands for itself there, and the next grows from it.
    drop(old);
    let newest = new.store().backups(&client("laptop")).unwrap().pop().unwrap();
    back_up(
        new.store(),
        &client("laptop"),
        &nth(30),
        Basis::Backup(newest),
        native.source(),
    );
    new.store().delete(&client("laptop"), &nth(2)).unwrap();
    new.store().reap(&Unwatched).unwrap();
    check_all(new.store(), strictness(new.store()));
    Census::compare(new.store(), to);
}

/// Any history arrives as it is, also when the transfers go on while it grows.
fn a_random_history_is_moved(from: Kind, to: Kind) {
    let (Some(old), Some(new)) = (Lab::create(from), Lab::create(to)) else {
        return;
    };
    let given = std::env::var("STORAGE_TRANSFER_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| std::process::id().into());
    println!("seed {seed}");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut images: BTreeMap<BackupName, Disk> = BTreeMap::new();
    let mut disk = first_disk(&mut dice);
    old.fill(seed);
    let laptop = client("laptop");
    for round in 1..=14 {
        old.mutate(seed as usize % 1000 + round, round % 6);
        let large = old.source().join(format!("large-{}", dice.below(3)));
        if !large.exists() || large.is_file() {
            // What changes the tree at random may have cut it short.
            let found = fs::read(&large).ok().filter(|content| content.len() > 5000);
            let mut content = found.unwrap_or_else(|| noise(seed, 2 * MIB));
            let at = dice.below(content.len() - 5000);
            content[at..at + 5000].copy_from_slice(&noise(round as u64, 5000));
            if dice.below(3) == 0 {
                content.truncate(MIB + dice.below(MIB));
                content.extend(noise(seed + 1, MIB / 2));
            }
            let _ = fs::write(&large, content);
        }
        let files: Vec<BackupName> = old.store().backups(&laptop).unwrap();
        let newest = files.iter().rfind(|name| name.suffix().is_empty());
        let basis = newest.cloned().filter(|_| dice.below(5) > 0);
        back_up(
            old.store(),
            &laptop,
            &nth(round),
            basis.map_or(Basis::Fresh, Basis::Backup),
            old.source(),
        );
        match dice.below(6) {
            0 => drop(old.store().pool_backup(&laptop, &nth(round)).unwrap()),
            1 if round > 2 => {
                let backups = old.store().backups(&laptop).unwrap();
                let name = &backups[dice.below(backups.len())];
                old.store().delete(&laptop, name).unwrap();
                images.remove(name);
            }
            2 => drop(old.store().reap(&Unwatched).unwrap()),
            3 => {
                change(&mut dice, &mut disk);
                take_image(old.store(), &nth_image(round), &disk, Extent::All);
                images.insert(nth_image(round), disk.clone());
            }
            4 => {
                // In any order, some of them.
                let backups = old.store().backups(&laptop).unwrap();
                let name = &backups[dice.below(backups.len())];
                let _ = transfer(
                    old.store(),
                    new.store(),
                    &laptop,
                    name,
                    &TransferOptions::default(),
                    &Unwatched,
                );
            }
            _ => {}
        }
    }
    copy_all(old.store(), new.store());
    for name in new.store().backups(&laptop).unwrap() {
        if !old.store().backups(&laptop).unwrap().contains(&name) {
            new.store().delete(&laptop, &name).unwrap();
        }
    }
    new.store().reap(&Unwatched).unwrap();
    let of_files = |store: &Store| -> Vec<BackupName> {
        let names = store.backups(&laptop).unwrap();
        names
            .into_iter()
            .filter(|name| name.suffix().is_empty())
            .collect()
    };
    assert_eq!(of_files(old.store()), of_files(new.store()));
    for name in of_files(old.store()) {
        let digest = |store: &Store| store.open_manifest(&laptop, &name).unwrap().digest();
        assert_eq!(digest(old.store()), digest(new.store()));
        check(new.store(), &laptop, &name, strictness(new.store()));
    }
    for (name, disk) in &images {
        let digest = |store: &Store| store.open_manifest(&laptop, name).unwrap().digest();
        assert_eq!(digest(old.store()), digest(new.store()));
        check_image(new.store(), name, disk);
    }
    Census::compare(new.store(), to);
}

/// A chain of images takes about as much in the target as if it had been made there, whatever the volumes are kept in.
fn images_are_moved(from: Kind, to: Kind) {
    let (Some(old), Some(new), Some(native)) = (Lab::create(from), Lab::create(to), Lab::create(to)) else {
        return;
    };
    let make = |lab: &Lab| {
        let mut dice = Dice(77);
        let mut disk = first_disk(&mut dice);
        disk[0].1.resize(200 * 128 * 1024, 0);
        dice.fill(&mut disk[0].1[..40 * 128 * 1024]);
        for number in 1..=6 {
            take_image(lab.store(), &nth_image(number), &disk, Extent::All);
            let at = number * 700_000 / 512 * 512;
            dice.fill(&mut disk[0].1[at..at + 100_000]);
        }
    };
    make(&old);
    let native_bytes = growth(&native, make);
    let laptop = client("laptop");
    let moved_bytes = growth(&new, |new| {
        for name in order(old.store()) {
            let copied = copy(old.store(), new.store(), &laptop, &name);
            assert!(copied.damaged.is_empty());
            assert_eq!(copied.base.is_some(), name != nth_image(1));
        }
    });
    println!("{from:?} to {to:?}: {moved_bytes} bytes, made there: {native_bytes}");
    assert!(
        to == Kind::Plain || moved_bytes <= native_bytes + native_bytes / 10 + (1 << 20),
        "{moved_bytes} {native_bytes}"
    );
    drop(old);
    let mut dice = Dice(77);
    let mut disk = first_disk(&mut dice);
    disk[0].1.resize(200 * 128 * 1024, 0);
    dice.fill(&mut disk[0].1[..40 * 128 * 1024]);
    for number in 1..=6 {
        check_image(new.store(), &nth_image(number), &disk);
        let at = number * 700_000 / 512 * 512;
        dice.fill(&mut disk[0].1[at..at + 100_000]);
        if number > 1 {
            new.store().delete(&laptop, &nth_image(number - 1)).unwrap();
        }
    }
    Census::compare(new.store(), to);
}

macro_rules! between {
    ($($test:ident: $from:ident => $to:ident),* $(,)?) => {
        $(
            mod $test {
                use crate::lab::Kind;

                #[test]
                fn a_history_is_moved() {
                    super::a_history_is_moved(Kind::$from, Kind::$to);
                }

                #[test]
                fn a_random_history_is_moved() {
                    super::a_random_history_is_moved(Kind::$from, Kind::$to);
                }

                #[test]
                fn images_are_moved() {
                    super::images_are_moved(Kind::$from, Kind::$to);
                }
            }
        )*
    };
}

between!(
    btrfs_to_btrfs: Btrfs => Btrfs,
    btrfs_to_xfs: Btrfs => Xfs,
    xfs_to_btrfs: Xfs => Btrfs,
    btrfs_to_ext4: Btrfs => Ext4,
    ext4_to_btrfs: Ext4 => Btrfs,
    plain_to_plain: Plain => Plain,
);

/// Lets a committed backup be changed behind the storage's back.
pub fn unseal(store: &Store, who: &ClientName, name: &BackupName) -> PathBuf {
    let path = store.path().join(who.as_str()).join(name.as_str());
    if store.backend() == BackendKind::Btrfs {
        let tree = file_tree::Dir::open(&path).unwrap();
        cow_fs::btrfs::set_access(&tree, cow_fs::btrfs::Access::Writable).unwrap();
    }
    path
}

/// Flips a byte of a file, without changing its time.
pub fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
    file.set_modified(modified).unwrap();
    file.sync_all().unwrap();
}

pub fn it_is_there_already_or_in_the_way(lab: Lab) {
    let laptop = client("laptop");
    let other = lab.create_store("other");
    lab.write("a", b"one");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    copy(lab.store(), &other, &laptop, &nth(1));
    let again = |name: &BackupName| {
        transfer(
            lab.store(),
            &other,
            &laptop,
            name,
            &TransferOptions::default(),
            &Unwatched,
        )
    };
    assert_eq!(again(&nth(1)).unwrap(), Transferred::AlreadyThere);
    assert!(matches!(again(&nth(7)), Err(Error::UnknownBackup { .. })));
    lab.write("a", b"two");
    back_up(&other, &laptop, &nth(2), Basis::Fresh, lab.source());
    lab.write("a", b"three");
    back_up(lab.store(), &laptop, &nth(2), Basis::Fresh, lab.source());
    assert!(matches!(again(&nth(2)), Err(Error::OtherBackup { .. })));
    check_all(&other, Strictness::Exact);
    // A backup of the client's own that waits to go on is left alone.
    back_up(lab.store(), &laptop, &nth(3), Basis::Backup(nth(2)), lab.source());
    let ingest = other.begin(&laptop, &Basis::Backup(nth(2))).unwrap();
    assert!(matches!(again(&nth(3)), Err(Error::Busy { .. })));
    let heading = header(&laptop, &nth(9), Some(&nth(2)));
    take_in(&other, &ingest, &heading, lab.source(), Until::Directories(1)).unwrap();
    ingest.suspend().unwrap();
    assert!(matches!(again(&nth(3)), Err(Error::Busy { .. })));
    let ingest = other.begin(&laptop, &Basis::Resume).unwrap();
    take_in(&other, &ingest, &heading, lab.source(), Until::End).unwrap();
    ingest.commit(&nth(9)).unwrap();
    assert!(matches!(again(&nth(3)).unwrap(), Transferred::Copied(_)));
    check_all(&other, Strictness::Exact);
}

pub fn each_comes_after_what_it_grew_from(lab: Lab) {
    let laptop = client("laptop");
    lab.write("a", b"one");
    let basis = |number: usize| Basis::Backup(nth(number));
    back_up(lab.store(), &laptop, &nth(6), Basis::Fresh, lab.source());
    back_up(lab.store(), &laptop, &nth(2), basis(6), lab.source());
    back_up(lab.store(), &laptop, &nth(4), basis(2), lab.source());
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    back_up(lab.store(), &laptop, &nth(5), basis(1), lab.source());
    let expected = [1, 6, 2, 4, 5].map(nth);
    assert_eq!(order(lab.store()), expected);
    lab.store().delete(&laptop, &nth(6)).unwrap();
    assert_eq!(order(lab.store()), [1, 2, 4, 5].map(nth));
}

pub fn what_was_cancelled_goes_on(lab: Lab) {
    let laptop = client("laptop");
    let other = lab.create_store("other");
    for file in 0..30u64 {
        lab.write(&format!("{}/{file}", file / 3), &noise(file, 300_000));
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    let all_bytes = 30 * 300_000;
    let mut total_bytes = 0;
    for part in 1..4 {
        let watch = Watch {
            end_at_bytes: all_bytes / 4,
            ..Watch::default()
        };
        let options = TransferOptions::default();
        let ended = transfer(lab.store(), &other, &laptop, &nth(1), &options, &watch);
        assert!(matches!(ended, Err(Error::Cancelled)), "{part}: {ended:?}");
        total_bytes += watch.copied_bytes.load(Ordering::Relaxed);
        assert!(other.backups(&laptop).unwrap().is_empty());
        // No session of the client takes it for its own.
        assert_eq!(other.incomplete(&laptop).unwrap(), None);
        assert!(matches!(
            other.begin(&laptop, &Basis::Resume),
            Err(Error::NothingToResume { .. })
        ));
        // Meanwhile the source can't be deleted by accident, afterwards it can.
    }
    total_bytes += copy(lab.store(), &other, &laptop, &nth(1)).read_bytes;
    assert!(
        (all_bytes..all_bytes + all_bytes / 2).contains(&total_bytes),
        "{total_bytes} bytes were read"
    );
    check_all(&other, Strictness::Exact);
    assert_eq!(
        other.open_manifest(&laptop, &nth(1)).unwrap().digest(),
        lab.store().open_manifest(&laptop, &nth(1)).unwrap().digest()
    );
}

pub fn a_large_file_is_shared_after_an_interruption_too(lab: Lab) {
    let laptop = client("laptop");
    let other = lab.create_store("other");
    let mut large = noise(1, 8 * MIB);
    lab.write("dir/large", &large);
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    copy(lab.store(), &other, &laptop, &nth(1));
    for block in 0..8 {
        large[block * MIB..][..100].fill(7);
    }
    lab.write("dir/large", &large);
    lab.write("dir/more", &noise(2, 200_000));
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    let before = lab.used_bytes();
    let watch = Watch {
        end_at_bytes: 300_000,
        ..Watch::default()
    };
    let ended = transfer(
        lab.store(),
        &other,
        &laptop,
        &nth(2),
        &TransferOptions::default(),
        &watch,
    );
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    let copied = copy(lab.store(), &other, &laptop, &nth(2));
    assert!(
        copied.read_bytes < 2 * MIB as u64,
        "{} bytes were read",
        copied.read_bytes
    );
    if other.backend() != BackendKind::Hardlink {
        let grown = lab.used_bytes().saturating_sub(before);
        assert!(grown < 3 << 20, "grew by {grown} bytes");
    }
    check_all(&other, Strictness::Exact);
    Census::compare(&other, lab.kind);
}

pub fn what_is_there_of_a_directory_is_kept(lab: Lab) {
    let laptop = client("laptop");
    let other = lab.create_store("other");
    let mut large = noise(99, 8 * MIB);
    for file in 0..20u64 {
        lab.write(&format!("dir/{file}"), &noise(file, 300_000));
    }
    lab.write("dir/large", &large);
    lab.write("dir/sub/file", b"beneath");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    // In the midst of the large file, which comes after the others: new, and then as a change.
    for (number, all_bytes, end_at_bytes) in [
        (1, 20 * 300_000 + 8 * MIB, 20 * 300_000 + 5 * MIB),
        (2, 4 * MIB, 3 * MIB),
    ] {
        if number == 2 {
            for block in 0..8 {
                let at = block * MIB;
                large[at..at + MIB / 2].copy_from_slice(&noise(200 + block as u64, MIB / 2));
            }
            lab.write("dir/large", &large);
            back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
        }
        let watch = Watch {
            end_at_bytes: end_at_bytes as u64,
            ..Watch::default()
        };
        let ended = transfer(lab.store(), &other, &laptop, &nth(number), &KEPT_OFTEN, &watch);
        assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
        let before = watch.copied_bytes.load(Ordering::Relaxed);
        let copied = copy(lab.store(), &other, &laptop, &nth(number));
        let total_bytes = before + copied.read_bytes;
        let most = all_bytes as u64 + (3 << 19);
        assert!(
            total_bytes <= most,
            "{total_bytes} of {all_bytes} bytes were read"
        );
    }
    check_all(&other, Strictness::Exact);
    Census::compare(&other, lab.kind);
}

pub fn a_full_target_is_told_and_nothing_is_broken(lab: Lab) {
    if lab.kind == Kind::Plain {
        return;
    }
    let Some(small) = Lab::with_size(lab.kind, 0) else {
        return;
    };
    let laptop = client("laptop");
    lab.write("small", b"fits");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    for part in 0..3u64 {
        let huge = fs::File::create(lab.source().join(format!("huge-{part}"))).unwrap();
        for at in 0..120 {
            huge.write_all_at(&noise(part * 1000 + at, MIB), at << 20)
                .unwrap();
        }
    }
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    copy(lab.store(), small.store(), &laptop, &nth(1));
    let options = TransferOptions::default();
    let full = transfer(lab.store(), small.store(), &laptop, &nth(2), &options, &Unwatched).unwrap_err();
    assert!(full.is_full(), "{full}");
    assert_eq!(small.store().backups(&laptop).unwrap(), [nth(1)]);
    check_all(small.store(), Strictness::Exact);
    check_all(lab.store(), Strictness::Exact);
    // Nothing keeps the source's backup any more.
    lab.store().delete(&laptop, &nth(2)).unwrap();
    small
        .store()
        .discard_incomplete(&laptop, storage::BackupKind::File)
        .unwrap();
    check_all(small.store(), Strictness::Exact);
}

pub fn damaged_content_is_told_and_nothing_is_built_on_it(lab: Lab) {
    let laptop = client("laptop");
    let other = lab.create_store("other");
    lab.write("dir/large", &noise(1, 3 * MIB));
    lab.write("dir/middle", &noise(2, 200_000));
    lab.write("dir/small", b"a few bytes");
    lab.write("dir/lost", &noise(3, 50_000));
    lab.write("dir/sound", &noise(4, 50_000));
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    // A backup of its own, so that it is sound where the first one is not.
    back_up(lab.store(), &laptop, &nth(2), Basis::Fresh, lab.source());
    let tree = unseal(lab.store(), &laptop, &nth(1)).join("src/dir");
    flip(&tree.join("large"), 2 * MIB as u64);
    flip(&tree.join("middle"), 100);
    flip(&tree.join("small"), 3);
    fs::remove_file(tree.join("lost")).unwrap();
    let bad = ["large", "lost", "middle", "small"];
    let expected: Vec<PathBuf> = bad.iter().map(|name| Path::new("src/dir").join(name)).collect();
    let watch = Watch::default();
    let copied = copy_watched(lab.store(), &other, &laptop, &nth(1), &watch);
    let mut told = watch.damaged.lock().clone();
    told.sort();
    assert_eq!(told, expected);
    let damaged = copied
        .damaged
        .iter()
        .map(|path| PathBuf::from(String::from_utf8_lossy(path).into_owned()));
    assert_eq!(damaged.collect::<Vec<_>>(), expected);
    assert_eq!(
        differences(&other, &laptop, &nth(1), Strictness::Content).len(),
        4
    );
    // What was there is there.
    let found = |store: &Store, file: &str| {
        fs::read(store.path().join(format!("laptop/{}/src/dir/{file}", nth(1)))).unwrap()
    };
    for file in ["large", "middle", "small"] {
        assert!(found(lab.store(), file) == found(&other, file), "{file}");
    }
    other.reap(&Unwatched).unwrap();
    let lookup = |file: &str| {
        let content = fs::read(lab.source().join("dir").join(file)).unwrap();
        other
            .index()
            .lookup(manifest::ContentHash::of(&content), content.len() as u64)
    };
    assert_eq!(
        (lookup("large"), lookup("middle"), lookup("lost")),
        (None, None, None)
    );
    assert!(lookup("sound").is_some());
    // The same files of the next backup are not taken for what the first has, and are sound.
    let copied = copy(lab.store(), &other, &laptop, &nth(2));
    assert_eq!((copied.base, copied.damaged.is_empty()), (Some(nth(1)), true));
    check(&other, &laptop, &nth(2), Strictness::Content);
    assert!(lookup("large").is_some_and(|location| location.backup == nth(2)));
    Census::compare(&other, lab.kind);
    other.reset_index().unwrap();
    other.reap(&Unwatched).unwrap();
    assert!(lookup("large").is_some_and(|location| location.backup == nth(2)));
    // Nobody else gets the damage.
    back_up(&other, &client("desktop"), &nth(1), Basis::Fresh, lab.source());
    check(&other, &client("desktop"), &nth(1), Strictness::Content);
    other.delete(&laptop, &nth(2)).unwrap();
    other.reap(&Unwatched).unwrap();
    check(&other, &client("desktop"), &nth(1), Strictness::Content);
    assert_ne!(lookup("large").map(|location| location.backup), Some(nth(2)));
}

pub fn a_damaged_volume_is_told_and_the_next_image_is_sound(lab: Lab) {
    let laptop = client("laptop");
    let other = lab.create_store("other");
    let mut dice = Dice(31);
    let mut disk = first_disk(&mut dice);
    dice.fill(&mut disk[0].1[..4 * 128 * 1024]);
    take_image(lab.store(), &nth_image(1), &disk, Extent::All);
    let tree = unseal(lab.store(), &laptop, &nth_image(1)).join(DISK);
    let volume = ["vol.raw", "vol.qcow2"].map(|name| tree.join(name));
    let volume = volume.into_iter().find(|path| path.exists()).unwrap();
    let end = fs::metadata(&volume).unwrap().len();
    flip(
        &volume,
        if lab.store().backend() == BackendKind::Hardlink {
            end / 2
        } else {
            200_000
        },
    );
    let watch = Watch::default();
    let copied = copy_watched(lab.store(), &other, &laptop, &nth_image(1), &watch);
    assert_eq!(*watch.damaged.lock(), [PathBuf::from("disk/vol.raw")]);
    assert_eq!(copied.damaged, [Box::from(&b"disk/vol.raw"[..])]);
    assert_eq!(
        copied.committed.digest,
        lab.store()
            .open_manifest(&laptop, &nth_image(1))
            .unwrap()
            .digest()
    );
    // An image of the client on top gets what is damaged anew.
    take_image(&other, &nth_image(2), &disk, Extent::All);
    check_image(&other, &nth_image(2), &disk);
    assert!(other.open_manifest(&laptop, &nth_image(2)).is_ok());
}

const FROM: &str = "STORAGE_TRANSFER_FROM";
const TO: &str = "STORAGE_TRANSFER_TO";
const POINT: &str = "STORAGE_TRANSFER_POINT";
/// As many kills there are at least on each kind of storage.
const FEWEST_POINTS: u64 = 40;
/// What is under way is made durable often.
const KEPT_OFTEN: TransferOptions<'_> = TransferOptions {
    volume_format: None,
    derive: None,
    checkpoint_bytes: Some(1 << 20),
};

/// The child. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let (Some(from), Some(to)) = (std::env::var_os(FROM), std::env::var_os(TO)) else {
        return;
    };
    let point = std::env::var(POINT).unwrap().parse().unwrap();
    let open = |path| Store::open(Path::new(path), &OpenOptions::new(server())).unwrap();
    let from = open(&from);
    storage::crash::arm(point);
    copy_all_with(&from, &open(&to), &KEPT_OFTEN);
}

fn run_child(from: &Path, to: &Path, point: u64) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "transfer::child", "--nocapture"])
        .env(FROM, from)
        .env(TO, to)
        .env(POINT, point.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    match (status.success(), status.signal()) {
        (true, _) => true,
        (false, Some(9)) => false,
        other => panic!("the child ended with {other:?} at point {point}"),
    }
}

pub fn killed_at_any_point_it_ends_right(mut lab: Lab) {
    let laptop = client("laptop");
    for file in 0..12 {
        lab.write(&format!("same/{file}"), b"the same in all");
    }
    for round in 1..=2 {
        let mut large = noise(5, 2 * MIB);
        large[MIB] = round as u8;
        lab.write("changing/large", &large);
        lab.write(&format!("only-{round}/file"), &noise(round as u64, 30_000));
        let name = lab.source().join("changing/name");
        let _ = fs::remove_file(&name);
        fs::hard_link(lab.source().join("changing/large"), name).unwrap();
        let basis = if round == 1 {
            Basis::Fresh
        } else {
            Basis::Backup(nth(1))
        };
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
    }
    let mut dice = Dice(3);
    let mut disk = first_disk(&mut dice);
    for number in 1..=2 {
        take_image(lab.store(), &nth_image(number), &disk, Extent::All);
        dice.fill(&mut disk[0].1[..1000]);
    }
    let tree = unseal(lab.store(), &laptop, &nth(1));
    flip(&tree.join("src/only-1/file"), 7);
    let from = lab.store().path().to_owned();
    for point in 1.. {
        let name = format!("storage-{point}");
        drop(lab.create_store(&name));
        let to = lab.file_system().join(&name);
        lab.store = None;
        let survived = run_child(&from, &to, point);
        let old = Store::open(&from, &OpenOptions::new(server())).unwrap();
        let new = Store::open(&to, &OpenOptions::new(server())).unwrap();
        let problems = &new.recovered().problems;
        assert!(problems.is_empty(), "point {point}: {problems:?}");
        for name in new.backups(&laptop).unwrap() {
            is_right(&old, &new, &laptop, &name, point);
        }
        copy_all(&old, &new);
        assert_eq!(old.backups(&laptop).unwrap(), new.backups(&laptop).unwrap());
        for name in new.backups(&laptop).unwrap() {
            is_right(&old, &new, &laptop, &name, point);
        }
        Census::compare(&new, lab.kind);
        // A pass over the pool that was cut short may have listed more than there is.
        let mut plan = new.plan_repair(&Unwatched).unwrap();
        plan.steps
            .retain(|(finding, _)| !matches!(finding, Finding::NeedlessPoolEntry { .. }));
        assert!(plan.steps.is_empty(), "point {point}: {plan:?}");
        drop(new);
        lab.store = Some(old);
        if survived {
            println!("killed at {} points", point - 1);
            assert!(point > FEWEST_POINTS, "the points are not compiled in");
            return;
        }
        remove_storage(&to);
    }
}

/// A backup has the same manifest, and no damage that its source does not have.
fn is_right(old: &Store, new: &Store, who: &ClientName, name: &BackupName, point: u64) {
    let digest = |store: &Store| store.open_manifest(who, name).unwrap().digest();
    assert_eq!(digest(old), digest(new), "point {point}: {name}");
    if !name.suffix().is_empty() {
        return;
    }
    let found = |store: &Store| differences(store, who, name, Strictness::Content);
    assert_eq!(found(old), found(new), "point {point}: {name}");
}
