//! Damaged content of committed backups is replaced by right content, and by nothing else.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use cow_fs::Sameness;
use manifest::ContentHash;
use storage::{
    BackendKind, BackupName, Basis, Error, Location, MendedVolume, OpenOptions, Replacement, Store, Unwatched,
};

use crate::census::Census;
use crate::check::{Strictness, check, check_all, differences};
use crate::crash::remove_storage;
use crate::driver::back_up;
use crate::image_driver::{DISK, Extent, check_image, nth_image, take_image};
use crate::images::{Dice, first_disk};
use crate::lab::{Lab, client, nth, server};
use crate::transfer::{flip, noise, unseal};

const MIB: usize = 1 << 20;

/// Damages a file behind the storage's back; the backup is sealed again.
fn damage(store: &Store, name: &BackupName, path: &str, at: u64) {
    let tree = unseal(store, &client("laptop"), name);
    flip(&tree.join(path), at);
    seal(store, &tree);
}

fn seal(store: &Store, tree: &Path) {
    if store.backend() == BackendKind::Btrfs {
        let tree = file_tree::Dir::open(tree).unwrap();
        cow_fs::btrfs::set_access(&tree, cow_fs::btrfs::Access::ReadOnly).unwrap();
    }
}

fn at(number: usize, path: &str) -> Location {
    Location {
        client: client("laptop"),
        backup: nth(number),
        path: path.as_bytes().into(),
    }
}

fn file_of(store: &Store, number: usize, path: &str) -> File {
    File::open(store.path().join(format!("laptop/{}/{path}", nth(number)))).unwrap()
}

/// Fails if anything is not as it should be.
fn all_is_well(lab: &Lab, store: &Store) {
    check_all(store, Strictness::Exact);
    let plan = store.plan_repair(&Unwatched).unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
    Census::compare(store, lab.kind);
}

pub fn content_is_replaced_from_wherever_it_is_right(lab: Lab) {
    let laptop = client("laptop");
    let store = lab.store();
    lab.write("dir/large", &noise(1, 3 * MIB));
    lab.write("dir/middle", &noise(2, 200_000));
    lab.write("dir/small", b"a few bytes");
    lab.write("dir/lost", &noise(3, 50_000));
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    back_up(store, &laptop, &nth(2), Basis::Fresh, lab.source());
    store.reap(&Unwatched).unwrap();
    store.account(&Unwatched).unwrap();
    damage(store, &nth(1), "src/dir/large", MIB as u64);
    damage(store, &nth(1), "src/dir/middle", 7);
    damage(store, &nth(1), "src/dir/small", 0);
    let tree = unseal(store, &laptop, &nth(1));
    fs::remove_file(tree.join("src/dir/lost")).unwrap();
    seal(store, &tree);
    let files = ["src/dir/large", "src/dir/lost", "src/dir/middle", "src/dir/small"];
    for path in files {
        store.note_damaged(&laptop, &nth(1), path.as_bytes()).unwrap();
    }
    let damaged = || store.damaged(&laptop, &nth(1)).unwrap();
    assert_eq!(damaged(), files.map(|path| path.as_bytes().into()));
    let hash = ContentHash::of(&noise(2, 200_000));
    assert_eq!(
        store.index().lookup(hash, 200_000),
        None,
        "nothing leads to what is damaged"
    );
    // What is not right is refused, and changes nothing.
    let before = differences(store, &laptop, &nth(1), Strictness::Exact);
    let wrong = lab.source().join("wrong");
    fs::write(&wrong, noise(9, 200_000)).unwrap();
    let wrong = File::open(&wrong).unwrap();
    let mend =
        |path: &str, replacement: Replacement<'_>| store.mend(&laptop, &nth(1), path.as_bytes(), replacement);
    for replacement in [
        Replacement::File(&wrong),
        Replacement::At(&at(1, "src/dir/middle")),
        Replacement::At(&at(2, "src/dir/small")),
    ] {
        let refused = mend("src/dir/middle", replacement);
        assert!(matches!(refused, Err(Error::WrongContent { .. })), "{refused:?}");
    }
    let none = mend("src/dir/none", Replacement::File(&wrong));
    assert!(matches!(none, Err(Error::NotInBackup { .. })), "{none:?}");
    let gone = mend("src/dir/lost", Replacement::At(&at(1, "src/dir/lost")));
    assert!(matches!(gone, Err(Error::NotInBackup { .. })), "{gone:?}");
    let open = store.open_backup(&laptop, &nth(1)).unwrap();
    let busy = mend("src/dir/middle", Replacement::At(&at(2, "src/dir/middle")));
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    drop(open);
    assert_eq!(differences(store, &laptop, &nth(1), Strictness::Exact), before);
    assert_eq!(damaged().len(), 4);
    // From the next backup, and from outside.
    for path in &files[..3] {
        let found = store.find_identical(&laptop, &nth(1), path.as_bytes()).unwrap();
        assert_eq!(found, [at(2, path)]);
        mend(path, Replacement::At(&found[0])).unwrap();
    }
    let source = File::open(lab.source().join("dir/small")).unwrap();
    mend("src/dir/small", Replacement::File(&source)).unwrap();
    assert!(damaged().is_empty());
    let location = store.index().lookup(hash, 200_000).unwrap();
    assert_eq!(location, at(1, "src/dir/middle"));
    let is_shared = |path: &str| {
        cow_fs::same_data(&file_of(store, 1, path), &file_of(store, 2, path)).unwrap() == Sameness::SameData
    };
    assert!(is_shared("src/dir/large") && is_shared("src/dir/middle"));
    let found = store.find_identical(&laptop, &nth(1), b"src/dir/large").unwrap();
    assert!(found.is_empty(), "{found:?}: it is the same data");
    all_is_well(&lab, store);
}

pub fn all_names_and_metadata_of_a_file_stay(lab: Lab) {
    let laptop = client("laptop");
    let store = lab.store();
    lab.write("a/one", &noise(1, 100_000));
    lab.write("b/other", b"another");
    fs::hard_link(lab.source().join("a/one"), lab.source().join("a/two")).unwrap();
    fs::hard_link(lab.source().join("a/one"), lab.source().join("b/three")).unwrap();
    fs::set_permissions(lab.source().join("a/one"), fs::Permissions::from_mode(0o4751)).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 5_000_000);
    File::open(lab.source().join("a/one"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    for dir in ["a", "b"] {
        File::open(lab.source().join(dir))
            .unwrap()
            .set_modified(old)
            .unwrap();
    }
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    damage(store, &nth(1), "src/a/two", 500);
    let source = File::open(lab.source().join("a/one")).unwrap();
    // By any of its names.
    let found = store.find_identical(&laptop, &nth(1), b"src/a/two").unwrap();
    assert!(found.is_empty(), "{found:?}: there is no other backup");
    store
        .mend(&laptop, &nth(1), b"src/b/three", Replacement::File(&source))
        .unwrap();
    // What is right already can be mended with itself.
    let itself = at(1, "src/a/one");
    store
        .mend(&laptop, &nth(1), b"src/a/one", Replacement::At(&itself))
        .unwrap();
    let inode = |path| file_of(store, 1, path).metadata().unwrap().ino();
    assert_eq!(
        (inode("src/a/one"), inode("src/a/one")),
        (inode("src/a/two"), inode("src/b/three"))
    );
    all_is_well(&lab, store);
}

pub fn what_was_shared_is_shared_again(lab: Lab) {
    let laptop = client("laptop");
    let store = lab.store();
    lab.write("dir/file", &noise(1, MIB));
    lab.write("dir/changes", b"1");
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    for number in 2..=4 {
        lab.write("dir/changes", number.to_string().as_bytes());
        back_up(
            store,
            &laptop,
            &nth(number),
            Basis::Backup(nth(number - 1)),
            lab.source(),
        );
    }
    store.account(&Unwatched).unwrap();
    for number in 1..=4 {
        // Where the inode is the same, once is enough.
        if number == 1 || store.backend() != BackendKind::Hardlink {
            damage(store, &nth(number), "src/dir/file", 12_345);
        }
    }
    let source = File::open(lab.source().join("dir/file")).unwrap();
    store
        .mend(&laptop, &nth(2), b"src/dir/file", Replacement::File(&source))
        .unwrap();
    for number in 1..=4 {
        store
            .note_damaged(&laptop, &nth(number), b"src/dir/file")
            .unwrap();
        let is_right = store
            .check_damaged(&laptop, &nth(number), b"src/dir/file")
            .unwrap();
        let known = store.damaged(&laptop, &nth(number)).unwrap();
        assert_eq!((is_right, known.len()), (number == 2, usize::from(number != 2)));
    }
    for number in [1, 3, 4] {
        assert_eq!(
            differences(store, &laptop, &nth(number), Strictness::Exact).len(),
            1
        );
        let found = store
            .find_identical(&laptop, &nth(number), b"src/dir/file")
            .unwrap();
        assert!(found.contains(&at(2, "src/dir/file")), "{found:?}");
        store
            .mend(
                &laptop,
                &nth(number),
                b"src/dir/file",
                Replacement::At(&at(2, "src/dir/file")),
            )
            .unwrap();
        let pair = (
            file_of(store, 2, "src/dir/file"),
            file_of(store, number, "src/dir/file"),
        );
        assert_eq!(
            cow_fs::same_data(&pair.0, &pair.1).unwrap(),
            Sameness::SameData,
            "{number}"
        );
    }
    all_is_well(&lab, store);
    // What grows from a mended one is as good.
    back_up(store, &laptop, &nth(5), Basis::Backup(nth(4)), lab.source());
    store.delete(&laptop, &nth(2)).unwrap();
    store.reap(&Unwatched).unwrap();
    all_is_well(&lab, store);
}

pub fn pooled_directories_are_mended_for_all(lab: Lab) {
    let laptop = client("laptop");
    let store = lab.store();
    if store.backend() != BackendKind::Hardlink {
        return;
    }
    for file in 0..20u64 {
        lab.write(&format!("same/{file}"), &noise(file, 20_000));
    }
    for number in 1..=3 {
        lab.write("changes", number.to_string().as_bytes());
        let basis = match number {
            1 => Basis::Fresh,
            _ => Basis::Backup(nth(number - 1)),
        };
        back_up(store, &laptop, &nth(number), basis, lab.source());
        store.pool_backup(&laptop, &nth(number)).unwrap();
    }
    let place = store.path().join(format!("laptop/{}/src/same", nth(2)));
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    flip(&place.join("7"), 100);
    let source = File::open(lab.source().join("same/7")).unwrap();
    let right = Replacement::File(&source);
    store.mend(&laptop, &nth(2), b"src/same/7", right).unwrap();
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    all_is_well(&lab, store);
    lab.write("changes", b"once more");
    back_up(store, &laptop, &nth(4), Basis::Backup(nth(3)), lab.source());
    store.pool_backup(&laptop, &nth(4)).unwrap();
    all_is_well(&lab, store);
}

pub fn damage_goes_on_to_be_known_in_what_grows_from_it(lab: Lab) {
    let laptop = client("laptop");
    let store = lab.store();
    for name in ["kept", "patched", "changed"] {
        lab.write(&format!("dir/{name}"), &noise(name.len() as u64, 2 * MIB));
    }
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    store.reap(&Unwatched).unwrap();
    for name in ["kept", "patched", "changed"] {
        damage(store, &nth(1), &format!("src/dir/{name}"), 1);
        store
            .note_damaged(&laptop, &nth(1), format!("src/dir/{name}").as_bytes())
            .unwrap();
    }
    // Another block of the one, all of the other.
    let mut patched = noise(7, 2 * MIB);
    patched[MIB] ^= 1;
    lab.write("dir/patched", &patched);
    lab.write("dir/changed", b"no large file any more");
    back_up(store, &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    store.reap(&Unwatched).unwrap();
    let known = store.damaged(&laptop, &nth(2)).unwrap();
    assert_eq!(
        known,
        [
            Box::from(&b"src/dir/kept"[..]),
            Box::from(&b"src/dir/patched"[..])
        ]
    );
    // Nobody is given it, also when the one that was damaged first is gone.
    store.delete(&laptop, &nth(1)).unwrap();
    store.reap(&Unwatched).unwrap();
    store.reset_index().unwrap();
    store.reap(&Unwatched).unwrap();
    for content in [noise(4, 2 * MIB), patched] {
        assert_eq!(
            store.index().lookup(ContentHash::of(&content), 2 * MIB as u64),
            None
        );
    }
    back_up(store, &client("desktop"), &nth(1), Basis::Fresh, lab.source());
    check(store, &client("desktop"), &nth(1), Strictness::Exact);
}

pub fn blocks_of_volumes_come_from_other_images(lab: Lab) {
    const BLOCK: usize = 128 << 10;
    let laptop = client("laptop");
    let store = lab.store();
    let mut dice = Dice(5);
    let mut disk = first_disk(&mut dice);
    dice.fill(&mut disk[0].1[..6 * BLOCK]);
    let mut disks = Vec::new();
    let first = disk[0].1[..BLOCK].to_vec();
    for number in 1..=3 {
        // The third has the first block of the first again, in another place of the device.
        if number == 2 {
            dice.fill(&mut disk[0].1[..BLOCK]);
            dice.fill(&mut disk[0].1[3 * BLOCK..4 * BLOCK]);
        } else {
            disk[0].1[..BLOCK].copy_from_slice(&first);
        }
        take_image(store, &nth_image(number), &disk, Extent::All);
        disks.push(disk.clone());
    }
    let path = format!("{DISK}/vol.raw");
    let mend = |number| store.mend_volume(&laptop, &nth_image(number), path.as_bytes(), &Unwatched);
    if store.backend() == BackendKind::Hardlink {
        let refused = mend(1);
        assert!(matches!(refused, Err(Error::ChainedVolume { .. })), "{refused:?}");
        return;
    }
    let none = MendedVolume {
        mended_blocks: 0,
        left_blocks: Vec::new(),
    };
    assert_eq!(mend(1).unwrap(), none);
    damage(store, &nth_image(1), &path, 100);
    damage(store, &nth_image(1), &path, 3 * BLOCK as u64 + 5);
    store
        .note_damaged(&laptop, &nth_image(1), path.as_bytes())
        .unwrap();
    let mended = MendedVolume {
        mended_blocks: 1,
        left_blocks: vec![3],
    };
    assert_eq!(mend(1).unwrap(), mended, "nobody else has the other block");
    assert_eq!(store.damaged(&laptop, &nth_image(1)).unwrap().len(), 1);
    let volume = store.path().join(format!("laptop/{}/{path}", nth_image(1)));
    let found = fs::read(volume).unwrap();
    assert!(found[..3 * BLOCK] == disks[0][0].1[..3 * BLOCK]);
    assert!(found[4 * BLOCK..] == disks[0][0].1[4 * BLOCK..]);
    damage(store, &nth_image(2), &path, 5 * BLOCK as u64);
    store
        .note_damaged(&laptop, &nth_image(2), path.as_bytes())
        .unwrap();
    assert!(mend(2).unwrap().left_blocks.is_empty());
    assert!(store.damaged(&laptop, &nth_image(2)).unwrap().is_empty());
    for number in 2..=3 {
        check_image(store, &nth_image(number), &disks[number - 1]);
    }
    let plan = store.plan_repair(&Unwatched).unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
    Census::compare(store, lab.kind);
}

const STORAGE: &str = "STORAGE_MEND_STORAGE";
const SOURCE: &str = "STORAGE_MEND_SOURCE";
const POINT: &str = "STORAGE_MEND_POINT";
const MENDED: &str = "src/dir/file";
/// As many kills there are at least.
const FEWEST_POINTS: u64 = 6;

/// The child. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let Some(storage) = std::env::var_os(STORAGE) else {
        return;
    };
    let source = File::open(std::env::var_os(SOURCE).unwrap()).unwrap();
    let point = std::env::var(POINT).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&storage), &OpenOptions::new(server())).unwrap();
    storage::crash::arm(point);
    mend_both(&store, &source);
}

fn mend_both(store: &Store, source: &File) {
    let laptop = client("laptop");
    store
        .mend(&laptop, &nth(1), MENDED.as_bytes(), Replacement::File(source))
        .unwrap();
    let right = at(1, MENDED);
    store
        .mend(&laptop, &nth(2), MENDED.as_bytes(), Replacement::At(&right))
        .unwrap();
}

fn run_child(storage: &Path, source: &Path, point: u64) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mend::child", "--nocapture"])
        .env(STORAGE, storage)
        .env(SOURCE, source)
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

pub fn killed_at_any_point_content_is_old_or_new(lab: Lab) {
    let laptop = client("laptop");
    let right = noise(1, 300_000);
    lab.write("dir/file", &right);
    fs::hard_link(lab.source().join("dir/file"), lab.source().join("dir/name")).unwrap();
    lab.write("dir/other", b"other");
    let source: PathBuf = lab.source().join("dir/file");
    let mut wrong = right.clone();
    wrong[777] ^= 0x40;
    for point in 1.. {
        let name = format!("storage-{point}");
        let store = lab.create_store(&name);
        back_up(&store, &laptop, &nth(1), Basis::Fresh, lab.source());
        back_up(&store, &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
        store.account(&Unwatched).unwrap();
        damage(&store, &nth(1), MENDED, 777);
        if store.backend() != BackendKind::Hardlink {
            damage(&store, &nth(2), MENDED, 777);
        }
        for number in 1..=2 {
            store
                .note_damaged(&laptop, &nth(number), MENDED.as_bytes())
                .unwrap();
        }
        drop(store);
        let path = lab.file_system().join(&name);
        let survived = run_child(&path, &source, point);
        let store = Store::open(&path, &OpenOptions::new(server())).unwrap();
        assert!(store.recovered().problems.is_empty(), "point {point}");
        store.reap(&Unwatched).unwrap();
        let plan = store.plan_repair(&Unwatched).unwrap();
        assert!(plan.steps.is_empty(), "point {point}: {plan:?}");
        for number in 1..=2 {
            let found = fs::read(store.path().join(format!("laptop/{}/{MENDED}", nth(number)))).unwrap();
            assert!(
                found == right || found == wrong,
                "point {point}: {number} is neither old nor new"
            );
            let tree = store.path().join(format!("laptop/{}", nth(number)));
            assert_eq!(
                fs::read_dir(tree).unwrap().count(),
                1,
                "point {point}: something is left over"
            );
        }
        let inode = |number, name| file_of(&store, number, name).metadata().unwrap().ino();
        // Killed between two names of the file, it is two files until it is mended again.
        if (1..=2).all(|number| inode(number, MENDED) == inode(number, "src/dir/name")) {
            Census::compare(&store, lab.kind);
        }
        mend_both(&store, &File::open(&source).unwrap());
        all_is_well(&lab, &store);
        for number in 1..=2 {
            assert!(store.damaged(&laptop, &nth(number)).unwrap().is_empty());
        }
        drop(store);
        if survived {
            println!("killed at {} points", point - 1);
            assert!(point > FEWEST_POINTS, "the points are not compiled in");
            return;
        }
        remove_storage(&path);
    }
}
