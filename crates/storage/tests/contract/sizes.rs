//! What backups take of the storage: as a census finds it, as deleting frees it, and as btrfs itself counts it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use storage::{Accounted, BackendKind, Basis, ClientName, Error, IMAGE_SUFFIX, Monitor, TakenIn, Unwatched};

use crate::census::{Backup, Census, all_backups, btrfs_data_bytes, held_beneath};
use crate::driver::{Until, back_up, header, take_in};
use crate::image_driver::{Extent, nth_image, take_image};
use crate::images::{Dice, change, first_disk};
use crate::lab::{Kind, Lab, client, nth};

const STEPS: usize = 60;
const MIB: usize = 1 << 20;

fn seed() -> u64 {
    let given = std::env::var("STORAGE_SIZES_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::process::id().into());
    println!("seed {seed}");
    seed
}

/// Content that is found nowhere else and can't be compressed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for piece in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.copy_from_slice(&state.to_le_bytes()[..piece.len()]);
    }
    bytes
}

fn next_basis(lab: &Lab, client: &ClientName) -> Basis {
    let names = lab.store().backups(client).unwrap();
    let newest = names.iter().rfind(|name| name.suffix().is_empty());
    newest.cloned().map_or(Basis::Fresh, Basis::Backup)
}

fn account(lab: &Lab) -> Accounted {
    lab.store().account(&Unwatched).unwrap()
}

/// Accounts and compares all that is told with a census.
fn check(lab: &Lab) {
    Census::compare(lab.store(), lab.kind);
}

/// Removes what was deleted, until the kernel is done with it.
fn reap(lab: &Lab) {
    for _ in 0..600 {
        if lab.store().reap(&Unwatched).unwrap().waiting.is_empty() {
            return;
        }
        let _ = Command::new("btrfs")
            .args(["subvolume", "sync"])
            .arg(lab.file_system())
            .output();
    }
    panic!("what was deleted does not go");
}

/// Changes files of one to some MiB: written anew, patched in the middle, appended to, cut, copied and removed.
fn change_large_files(lab: &Lab, dice: &mut Dice, round: usize) {
    for _ in 0..1 + dice.below(3) {
        let path = lab.source().join(format!("large/{}", dice.below(6)));
        // Whatever else changes the source may have put something else there.
        let is_other = fs::symlink_metadata(&path).is_ok_and(|stat| !stat.is_file());
        if is_other || fs::create_dir_all(path.parent().unwrap()).is_err() {
            continue;
        }
        let seed = dice.below(usize::MAX) as u64;
        let mut content = fs::read(&path).unwrap_or_default();
        match dice.below(7) {
            0 | 1 => content = noise(seed, MIB + dice.below(2 * MIB)),
            2 if content.len() > 300_000 => {
                let at = dice.below(content.len() - 200_000);
                content[at..at + 200_000].copy_from_slice(&noise(seed, 200_000));
            }
            3 => content.extend(noise(seed, 150_000)),
            4 => content.truncate(content.len() / 2),
            5 => {
                let copy = lab.source().join(format!("large/copy-{}", round % 4));
                let _ = fs::write(copy, &content);
            }
            _ => {
                let _ = fs::remove_file(&path);
                continue;
            }
        }
        let _ = fs::write(&path, content);
    }
}

/// The first session ends somewhere, and the source changes before the second.
fn back_up_in_two_sessions(
    lab: &mut Lab,
    dice: &mut Dice,
    (who, round): (&ClientName, usize),
    basis: &Basis,
) {
    let base = match basis {
        Basis::Backup(base) => Some(base),
        _ => None,
    };
    let header = header(who, &nth(round), base);
    let until = Until::Directories(dice.below(20));
    let ingest = lab.store().begin(who, basis).unwrap();
    if take_in(lab.store(), &ingest, &header, lab.source(), until)
        .unwrap()
        .is_some()
    {
        ingest.commit(&nth(round)).unwrap();
        return;
    }
    drop(ingest);
    lab.mutate(round, 3);
    change_large_files(lab, dice, round);
    if dice.below(2) == 0 {
        lab.reopen();
    }
    let ingest = lab.store().begin(who, &Basis::Resume).unwrap();
    take_in(lab.store(), &ingest, &header, lab.source(), Until::End).unwrap();
    ingest.commit(&nth(round)).unwrap();
}

pub fn a_random_history_is_counted_as_a_census_finds_it(mut lab: Lab) {
    let seed = seed();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    lab.fill(seed);
    let mut disk = first_disk(&mut dice);
    let mut round = 0;
    let mut counted = BTreeSet::new();
    for step in 0..STEPS {
        match dice.below(12) {
            0..5 => {
                // Two clients with the same files, which share what was sent first.
                let who = client(["laptop", "laptop", "desktop"][dice.below(3)]);
                change_large_files(&lab, &mut dice, step);
                lab.mutate(seed as usize % 1000 + step, step % 6);
                round += 1;
                let basis = match dice.below(8) {
                    0 => Basis::Fresh,
                    _ => next_basis(&lab, &who),
                };
                if dice.below(4) == 0 {
                    back_up_in_two_sessions(&mut lab, &mut dice, (&who, round), &basis);
                } else {
                    back_up(lab.store(), &who, &nth(round), basis, lab.source());
                }
                lab.store().pool_backup(&who, &nth(round)).unwrap();
            }
            5..7 => {
                round += 1;
                change(&mut dice, &mut disk);
                take_image(lab.store(), &nth_image(round), &disk, Extent::All);
            }
            7..9 => {
                let all = all_backups(lab.store());
                if all.len() > 1 {
                    let (who, name) = &all[dice.below(all.len())];
                    lab.store().delete(who, name).unwrap();
                }
            }
            9 => reap(&lab),
            10 => count_once(&lab, &mut counted),
            _ => drop(lab.reopen()),
        }
        if step % 4 == 3 {
            count_once(&lab, &mut counted);
            check(&lab);
        }
    }
    reap(&lab);
    check(&lab);
    // Found out anew it is the same.
    lab.store().reset_sizes().unwrap();
    let (who, name) = all_backups(lab.store()).remove(0);
    assert_eq!(lab.store().sizes(&who, &name), None);
    check(&lab);
}

/// Accounts, and fails if anything is taken in a second time; on hardlink storage images are, when one that they stand
/// on goes.
fn count_once(lab: &Lab, counted: &mut BTreeSet<Backup>) {
    for TakenIn { client, name, .. } in account(lab).taken_in {
        let may_again = name.suffix() == IMAGE_SUFFIX && lab.store().backend() == BackendKind::Hardlink;
        let is_new = counted.insert((client.clone(), name.clone()));
        assert!(is_new || may_again, "{client} {name} is counted anew");
    }
}

pub fn deleting_frees_what_was_foretold(lab: Lab) {
    let seed = seed();
    let mut dice = Dice(seed | 1);
    let (laptop, desktop) = (client("laptop"), client("desktop"));
    for round in 1..=12 {
        change_large_files(&lab, &mut dice, round);
        for who in [&laptop, &desktop] {
            let basis = next_basis(&lab, who);
            back_up(lab.store(), who, &nth(round), basis, lab.source());
            lab.store().pool_backup(who, &nth(round)).unwrap();
            lab.store().reap(&Unwatched).unwrap();
        }
    }
    account(&lab);
    while let all = all_backups(lab.store())
        && !all.is_empty()
    {
        let count = (1 + dice.below(5)).min(all.len());
        let mut set: Vec<Backup> = Vec::new();
        while set.len() < count {
            let backup = &all[dice.below(all.len())];
            if !set.contains(backup) {
                set.push(backup.clone());
            }
        }
        let foretold = lab.store().freed_by(&set).unwrap();
        let before = backup_bytes(&lab);
        for (who, name) in &set {
            lab.store().delete(who, name).unwrap();
        }
        reap(&lab);
        let freed = before.cast_signed() - backup_bytes(&lab).cast_signed();
        let off_bytes = freed.abs_diff(foretold.cast_signed());
        assert!(
            off_bytes <= metadata_bytes(lab.kind),
            "{foretold} bytes were foretold, {freed} freed by {set:?}"
        );
        check(&lab);
    }
}

/// Bytes on the device that backups take, as the file system says: all that is allocated, without what the state of the
/// storage takes.
fn backup_bytes(lab: &Lab) -> u64 {
    let state = lab.storage().join(".perennial");
    let mut of_state = 0;
    for part in ["index", "sizes", "manifests", "trash"] {
        of_state += held_beneath(lab, &state.join(part));
    }
    let all = match lab.kind {
        Kind::Btrfs => btrfs_data_bytes(lab),
        Kind::Xfs | Kind::Ext4 => {
            // XFS frees what was removed some time later, or now.
            let dir = fs::File::open(lab.file_system()).unwrap();
            cow_fs::freeze_file_system(&dir).unwrap();
            cow_fs::thaw_file_system(&dir).unwrap();
            lab.used_bytes()
        }
        // Others write there too.
        Kind::Plain => return held_beneath(lab, lab.file_system()) - of_state,
    };
    all - of_state
}

/// How far what is freed may be from what is foretold. btrfs tells data from metadata, and there it is nothing.
/// Elsewhere it is what names and inodes of the few directories and files of a deleted backup take: a block per
/// directory, one chunk of inodes, and blocks of the trees that keep extents, references and free space.
fn metadata_bytes(kind: Kind) -> u64 {
    match kind {
        Kind::Btrfs | Kind::Plain => 0,
        Kind::Xfs | Kind::Ext4 => 384 << 10,
    }
}

pub fn unchanged_files_are_not_asked_for(lab: Lab) {
    let laptop = client("laptop");
    for file in 0..20 {
        lab.write(&format!("dir/{file}"), &noise(file, 50_000));
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    assert_eq!(account(&lab).mapped_files, 20);
    for round in 2..4 {
        let basis = next_basis(&lab, &laptop);
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
        let accounted = account(&lab);
        assert_eq!(accounted.mapped_files, 0);
        assert_eq!(accounted.taken_in[0].stored_new_bytes, 0);
    }
    lab.write("dir/7", &noise(100, 60_000));
    lab.write("dir/new", &noise(101, 60_000));
    fs::remove_file(lab.source().join("dir/3")).unwrap();
    back_up(lab.store(), &laptop, &nth(4), Basis::Backup(nth(3)), lab.source());
    let accounted = account(&lab);
    // What it was and what it is, what is new, and what has gone.
    assert_eq!(accounted.mapped_files, 2 + 1 + 1);
    assert_eq!(accounted.taken_in[0].stored_new_bytes, 2 * 61_440);
    assert_eq!(account(&lab), Accounted::default());
    check(&lab);
}

pub fn the_base_may_go_before_its_successor_is_counted(lab: Lab) {
    let laptop = client("laptop");
    for file in 0..10 {
        lab.write(&format!("dir/{file}"), &noise(file, 50_000));
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    account(&lab);
    for round in 2..6 {
        lab.write("dir/changing", &noise(100 + round as u64, 50_000));
        back_up(
            lab.store(),
            &laptop,
            &nth(round),
            Basis::Backup(nth(round - 1)),
            lab.source(),
        );
        lab.store().delete(&laptop, &nth(round - 1)).unwrap();
        assert_eq!(
            account(&lab).mapped_files,
            0,
            "it was counted before the deletion"
        );
        check(&lab);
    }
    // The newest goes: what comes next grows from the one before.
    lab.write("dir/changing", &noise(200, 50_000));
    back_up(lab.store(), &laptop, &nth(6), Basis::Backup(nth(5)), lab.source());
    account(&lab);
    lab.store().delete(&laptop, &nth(6)).unwrap();
    check(&lab);
    back_up(lab.store(), &laptop, &nth(7), Basis::Backup(nth(5)), lab.source());
    assert_eq!(
        account(&lab).mapped_files,
        2,
        "the changing file before and after"
    );
    check(&lab);
}

/// What an interrupted session was in the midst of is sent again as a whole, also what is the same as in the base.
pub fn what_was_sent_again_is_counted(lab: Lab) {
    let laptop = client("laptop");
    for file in 0..5 {
        lab.write(&format!("dir/{file}"), &noise(file, 12_000));
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    lab.write("dir/0", &noise(100, 12_000));
    let basis = Basis::Backup(nth(1));
    let header = header(&laptop, &nth(2), Some(&nth(1)));
    let ingest = lab.store().begin(&laptop, &basis).unwrap();
    take_in(
        lab.store(),
        &ingest,
        &header,
        lab.source(),
        Until::Announced("src/dir"),
    )
    .unwrap();
    drop(ingest);
    let ingest = lab.store().begin(&laptop, &Basis::Resume).unwrap();
    take_in(lab.store(), &ingest, &header, lab.source(), Until::End).unwrap();
    let committed = ingest.commit(&nth(2)).unwrap();
    assert_eq!(committed.outcome.written_files, 5, "all was sent again");
    check(&lab);
    lab.store().delete(&laptop, &nth(1)).unwrap();
    reap(&lab);
    check(&lab);
    lab.store().delete(&laptop, &nth(2)).unwrap();
    reap(&lab);
    lab.store().remove_client(&laptop).unwrap();
}

/// Ends the work after so many questions.
struct Impatient(AtomicUsize);

impl Monitor for Impatient {
    fn is_cancelled(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        left == 0
    }
}

pub fn work_that_is_ended_goes_on_where_it_was(mut lab: Lab) {
    let laptop = client("laptop");
    for round in 1..6 {
        lab.write("dir/kept", &noise(1, 50_000));
        lab.write(&format!("dir/{round}"), &noise(round as u64, 50_000));
        let basis = next_basis(&lab, &laptop);
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
    }
    let mut interrupted = 0;
    let mut taken_in = 0;
    loop {
        // A little more each time, or the largest would never be done.
        match lab.store().account(&Impatient(AtomicUsize::new(interrupted))) {
            Err(Error::Cancelled) => interrupted += 1,
            accounted => {
                taken_in += accounted.unwrap().taken_in.len();
                break;
            }
        }
        if interrupted > 3 {
            assert_eq!(lab.store().sizes(&laptop, &nth(5)), None);
        }
        lab.reopen();
    }
    assert!(interrupted > 5 && taken_in < 5, "{interrupted} {taken_in}");
    Census::take(lab.store(), lab.kind).check(lab.store());
}

pub fn a_damaged_or_missing_ledger_is_made_anew(mut lab: Lab) {
    let laptop = client("laptop");
    for round in 1..4 {
        lab.write(&format!("dir/{round}"), &noise(round as u64, 50_000));
        let basis = next_basis(&lab, &laptop);
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
    }
    check(&lab);
    let ledger = lab.storage().join(".perennial/sizes/ledger.sqlite");
    let remove = || fs::remove_file(&ledger).unwrap();
    let fill = || fs::write(&ledger, vec![0x5a; 30_000]).unwrap();
    let copy = || {
        // As a storage that was copied elsewhere has it.
        let copied = ledger.with_extension("copy");
        fs::copy(&ledger, &copied).unwrap();
        fs::rename(copied, &ledger).unwrap();
    };
    for harm in [&remove as &dyn Fn(), &fill, &copy] {
        lab.store = None;
        harm();
        lab.reopen();
        assert_eq!(lab.store().sizes(&laptop, &nth(1)), None);
        check(&lab);
    }
}

/// As btrfs counts: `btrfs filesystem du`, in bytes: all, and exclusive.
fn btrfs_du(lab: &Lab, (who, name): &Backup) -> (u64, u64) {
    let output = Command::new("btrfs")
        .args(["filesystem", "du", "-s", "--raw"])
        .arg(lab.storage().join(who.as_str()).join(name.as_str()))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut figures = text.lines().nth(1).unwrap().split_whitespace();
    let mut next = || figures.next().unwrap().parse().unwrap();
    (next(), next())
}

/// Files are written anew as a whole and each content is in one file: then there are no extents of which a part is in
/// use, and none that one backup has twice, in which `btrfs filesystem du` and the ledger mean different things.
#[test]
fn btrfs_counts_the_same() {
    let Some(lab) = Lab::create(Kind::Btrfs) else {
        return;
    };
    let mut dice = Dice(seed() | 1);
    let clients = [client("laptop"), client("desktop")];
    for round in 1..=14 {
        for _ in 0..3 {
            let path = format!("dir/{}", dice.below(12));
            let _ = fs::remove_file(lab.source().join(&path));
            // What is that small lies within metadata, and neither counts it.
            let len = [1000, 5000, 100_000, MIB - 1][dice.below(4)];
            lab.write(&path, &noise(dice.below(usize::MAX) as u64, len));
        }
        for who in &clients {
            let basis = next_basis(&lab, who);
            back_up(lab.store(), who, &nth(round), basis, lab.source());
            reap(&lab);
        }
        if round > 4 {
            let all = all_backups(lab.store());
            let (who, name) = &all[dice.below(all.len())];
            lab.store().delete(who, name).unwrap();
            reap(&lab);
        }
        check(&lab);
        btrfs_data_bytes(&lab);
        for backup in all_backups(lab.store()) {
            let sizes = lab.store().sizes(&backup.0, &backup.1).unwrap();
            let told = (sizes.exclusive_bytes + sizes.shared_bytes, sizes.exclusive_bytes);
            assert_eq!(told, btrfs_du(&lab, &backup), "{backup:?}");
        }
    }
}

/// A balance gives all that lies on a btrfs other addresses.
#[test]
fn a_file_system_that_was_balanced_is_counted_anew() {
    let Some(lab) = Lab::create(Kind::Btrfs) else {
        return;
    };
    let laptop = client("laptop");
    for round in 1..5 {
        lab.write(&format!("dir/{round}"), &noise(round as u64, 100_000));
        lab.write("dir/changing", &noise(100 + round as u64, 100_000));
        let basis = next_basis(&lab, &laptop);
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
    }
    check(&lab);
    btrfs_data_bytes(&lab);
    let balance = Command::new("btrfs")
        .args(["balance", "start", "--full-balance"])
        .arg(lab.file_system())
        .output()
        .unwrap();
    assert!(balance.status.success(), "{balance:?}");
    lab.write("dir/changing", &noise(200, 100_000));
    back_up(lab.store(), &laptop, &nth(5), Basis::Backup(nth(4)), lab.source());
    check(&lab);
}

/// With less than the whole extent in use, deleting frees the rest all the same.
#[test]
fn compressed_backups_count_with_what_is_on_the_disk() {
    let Some(mut lab) = Lab::create(Kind::Btrfs) else {
        return;
    };
    lab.compression = Some(storage::Compression::Zstd);
    lab.reopen();
    let laptop = client("laptop");
    lab.write("file", &vec![b'a'; 4 * MIB]);
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    check(&lab);
    let sizes = lab.store().sizes(&laptop, &nth(1)).unwrap();
    assert_eq!(sizes.exclusive_bytes, 4 * MIB as u64 / (128 << 10) * 4096);
    assert_eq!(sizes.stored_new_bytes, sizes.exclusive_bytes);
}
