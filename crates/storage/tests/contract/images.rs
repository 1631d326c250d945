//! Images: they grow, are interrupted, deleted in any order, and every one that is left is what it was.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use storage::{BackendKind, BackupName, Unwatched, VolumeFormat};

use crate::image_driver::{
    DISK, Disk, Extent, check_image, check_with_qemu, location, nth_image, take_image,
};
use crate::lab::{Lab, client};

const STEPS: usize = 30;
const BLOCK: usize = 128 << 10;

pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// Half of it compresses well.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        let is_noise = self.below(2) == 0;
        for piece in bytes.chunks_mut(8) {
            let word = self.below(usize::MAX) as u64;
            let word = if is_noise { word } else { word % 7 };
            piece.copy_from_slice(&word.to_le_bytes()[..piece.len()]);
        }
    }
}

pub fn first_disk(dice: &mut Dice) -> Disk {
    let mut large = vec![0; 40 * BLOCK + 5 * 512];
    for _ in 0..6 {
        let at = dice.below(large.len() - 300_000);
        dice.fill(&mut large[at..at + 300_000]);
    }
    let mut table = vec![0; 20 * BLOCK];
    dice.fill(&mut table[..1024]);
    vec![("vol", large), ("table", table)]
}

/// Changes a disk here and there, sometimes its size.
pub fn change(dice: &mut Dice, disk: &mut Disk) {
    let content = &mut disk[0].1;
    for _ in 0..dice.below(6) {
        let len = [512, 4096, 70_000, 3 * BLOCK][dice.below(4)];
        let at = dice.below(content.len() - len) / 512 * 512;
        match dice.below(3) {
            0 => content[at..at + len].fill(0),
            _ => dice.fill(&mut content[at..at + len]),
        }
    }
    if dice.below(8) == 0 {
        let blocks = 30 + dice.below(20);
        content.resize(blocks * BLOCK + dice.below(3) * 512, 0);
    }
    if dice.below(6) == 0 {
        let at = dice.below(2) * 512;
        dice.fill(&mut disk[1].1[at..at + 512]);
    }
}

/// All that the lab's storage can keep images in.
fn formats(lab: &Lab) -> Vec<Option<VolumeFormat>> {
    match lab.store().backend() {
        BackendKind::Hardlink => vec![
            None,
            Some(VolumeFormat::Vhdx),
            Some(VolumeFormat::Vhd),
            Some(VolumeFormat::Raw),
        ],
        BackendKind::Btrfs | BackendKind::Reflink => vec![None],
    }
}

fn delete_all(lab: &Lab) {
    let laptop = client("laptop");
    for name in lab.store().backups(&laptop).unwrap() {
        lab.store().delete(&laptop, &name).unwrap();
    }
    lab.store().reap(&Unwatched).unwrap();
}

pub fn a_random_history_of_images(mut lab: Lab) {
    let given = std::env::var("STORAGE_HISTORY_SEED").ok();
    let seed: u64 = given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| std::process::id().into());
    println!("seed {seed}");
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let formats = formats(&lab);
    let mut number = 0;
    for &format in &formats {
        println!("format {format:?}");
        lab.keep_images_in(format);
        history(&mut lab, &mut dice, &mut number, &[format]);
        delete_all(&lab);
    }
    // One after the other in one history.
    history(&mut lab, &mut dice, &mut number, &formats);
}

fn history(lab: &mut Lab, dice: &mut Dice, number: &mut usize, formats: &[Option<VolumeFormat>]) {
    let laptop = client("laptop");
    let mut disk = first_disk(dice);
    let mut model: BTreeMap<BackupName, Disk> = BTreeMap::new();
    for step in 0..STEPS {
        match dice.below(10) {
            0..5 => {
                *number += 1;
                take_image(lab.store(), &nth_image(*number), &disk, Extent::All);
                model.insert(nth_image(*number), disk.clone());
            }
            5..7 => {
                let blocks = dice.below(40);
                take_image(
                    lab.store(),
                    &nth_image(*number + 1),
                    &disk,
                    Extent::Blocks(blocks),
                );
                *number += 1;
                if lab
                    .store()
                    .backups(&laptop)
                    .unwrap()
                    .contains(&nth_image(*number))
                {
                    model.insert(nth_image(*number), disk.clone());
                }
                if dice.below(2) == 0 {
                    lose_power(lab);
                }
                lab.keep_images_in(formats[dice.below(formats.len())]);
            }
            _ if !model.is_empty() => {
                let name = model.keys().nth(dice.below(model.len())).cloned().unwrap();
                lab.store().delete(&laptop, &name).unwrap();
                model.remove(&name);
                assert!(lab.store().dependents(&laptop, &name).unwrap().is_empty());
                if dice.below(2) == 0 {
                    lab.store().reap(&Unwatched).unwrap();
                }
            }
            _ => {}
        }
        change(dice, &mut disk);
        for (name, disk) in &model {
            check_image(lab.store(), name, disk);
        }
        if step % 5 == 0 && formats.len() == 1 {
            model
                .iter()
                .for_each(|(name, disk)| check_with_qemu(lab, name, disk));
        }
    }
    let names: Vec<BackupName> = model.into_keys().collect();
    assert_eq!(lab.store().backups(&laptop).unwrap(), names);
    lab.store().reap(&Unwatched).unwrap();
    let plan = lab.store().plan_repair(&Unwatched).unwrap();
    assert!(plan.steps.is_empty(), "{plan:?}");
}

/// Lets an incomplete image look like one of another boot, whose block lists can't be relied on.
fn lose_power(lab: &Lab) {
    let work = lab.storage().join(".perennial/incomplete-images/laptop");
    let Ok(state) = fs::read_to_string(work.join("state.toml")) else {
        return;
    };
    let lines = state.lines().map(|line| match line.starts_with("boot") {
        true => "boot = \"another\"",
        false => line,
    });
    fs::write(work.join("state.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    let list = work.join("tree").join(DISK).join("vol.blocks");
    if let Ok(file) = fs::File::options().write(true).open(list) {
        std::os::unix::fs::FileExt::write_all_at(&file, &[7; 64], 0).unwrap();
    }
}

pub fn an_image_that_did_not_change_takes_next_to_nothing(mut lab: Lab) {
    if lab.kind == crate::lab::Kind::Plain {
        // What is used there, others use as well.
        return;
    }
    let mut dice = Dice(11);
    let mut number = 0;
    for format in formats(&lab) {
        if format == Some(VolumeFormat::Raw) {
            continue;
        }
        lab.keep_images_in(format);
        let mut disk = first_disk(&mut dice);
        dice.fill(&mut disk[0].1);
        number += 3;
        take_image(lab.store(), &nth_image(number), &disk, Extent::All);
        let before = lab.used_bytes();
        take_image(lab.store(), &nth_image(number + 1), &disk, Extent::All);
        let same = lab.used_bytes().saturating_sub(before);
        assert!(same < 1 << 20, "{format:?}: {same} bytes for nothing");
        // Single pages in blocks of their own.
        for at in 0..16 {
            dice.fill(&mut disk[0].1[at * 2 * BLOCK..][..4096]);
        }
        let before = lab.used_bytes();
        take_image(lab.store(), &nth_image(number + 2), &disk, Extent::All);
        let little = lab.used_bytes().saturating_sub(before);
        // Some file systems unshare more than a page at a time.
        assert!(little < 4 << 20, "{format:?}: {little} bytes for 64 KiB");
        println!("{format:?}: {same} bytes for nothing, {little} bytes for 16 pages of 4 KiB");
        for image in 0..2 {
            assert_eq!(
                lab.store()
                    .dependents(&client("laptop"), &nth_image(number + image))
                    .unwrap()
                    .len(),
                { usize::from(lab.store().volume_format() != VolumeFormat::Raw) }
            );
        }
        check_image(lab.store(), &nth_image(number + 2), &disk);
        delete_all(&lab);
    }
}

pub fn what_stood_on_a_deleted_image_is_read_all_the_while(lab: Lab) {
    let laptop = client("laptop");
    let mut dice = Dice(5);
    let mut disk = first_disk(&mut dice);
    for number in 1..=6 {
        take_image(lab.store(), &nth_image(number), &disk, Extent::All);
        change(&mut dice, &mut disk);
    }
    let newest = first_content(&lab, 6);
    let opened = lab.store().open_backup(&laptop, &nth_image(6)).unwrap();
    let before = opened.open_volume(b"disk/vol.raw").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut rounds = 0;
                    while !done.load(Ordering::Relaxed) || rounds == 0 {
                        check_image(lab.store(), &nth_image(6), &newest);
                        rounds += 1;
                    }
                })
            })
            .collect();
        for number in [3, 1, 4, 5, 2] {
            lab.store().delete(&laptop, &nth_image(number)).unwrap();
            lab.store().reap(&Unwatched).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    let mut found = vec![0; newest[0].1.len()];
    disk_image::DiskSource::read_exact_at(&before, &mut found, 0).unwrap();
    assert!(found == newest[0].1, "what was open goes on to be read");
    check_image(lab.store(), &nth_image(6), &newest);
    check_with_qemu(&lab, &nth_image(6), &newest);
}

/// What an image holds, as it is now.
fn first_content(lab: &Lab, number: usize) -> Disk {
    let tree = lab
        .store()
        .open_backup(&client("laptop"), &nth_image(number))
        .unwrap();
    let read = |volume: &'static str| {
        let reader = tree
            .open_volume(format!("{DISK}/{volume}.raw").as_bytes())
            .unwrap();
        let mut content = vec![0; disk_image::DiskSource::len_bytes(&reader).unwrap() as usize];
        disk_image::DiskSource::read_exact_at(&reader, &mut content, 0).unwrap();
        (volume, content)
    };
    vec![read("vol"), read("table")]
}

pub fn a_base_that_is_deleted_while_an_image_waits_to_go_on(mut lab: Lab) {
    let laptop = client("laptop");
    let mut dice = Dice(7);
    let mut disk = first_disk(&mut dice);
    take_image(lab.store(), &nth_image(1), &disk, Extent::All);
    dice.fill(&mut disk[0].1[..10 * BLOCK]);
    take_image(lab.store(), &nth_image(2), &disk, Extent::Blocks(5));
    lab.store().delete(&laptop, &nth_image(1)).unwrap();
    lab.store().reap(&Unwatched).unwrap();
    lab.reopen();
    take_image(lab.store(), &nth_image(2), &disk, Extent::All);
    check_image(lab.store(), &nth_image(2), &disk);
    check_with_qemu(&lab, &nth_image(2), &disk);
}

pub fn a_damaged_base_harms_no_new_image(mut lab: Lab) {
    let mut dice = Dice(9);
    for (round, what) in ["list gone", "list wrong", "volume gone"].into_iter().enumerate() {
        let mut disk = first_disk(&mut dice);
        take_image(lab.store(), &nth_image(round * 2 + 1), &disk, Extent::All);
        let dir = location(lab.store(), &nth_image(round * 2 + 1)).join(DISK);
        if lab.store().backend() == BackendKind::Btrfs {
            let tree = file_tree::Dir::open(dir.parent().unwrap()).unwrap();
            cow_fs::btrfs::set_access(&tree, cow_fs::btrfs::Access::Writable).unwrap();
        }
        match what {
            "list gone" => fs::remove_file(dir.join("vol.blocks")).unwrap(),
            "list wrong" => {
                let mut list = fs::read(dir.join("vol.blocks")).unwrap();
                list[32 * 3] ^= 1;
                fs::write(dir.join("vol.blocks"), list).unwrap();
            }
            _ => {
                for entry in fs::read_dir(&dir).unwrap() {
                    let path = entry.unwrap().path();
                    if path.file_stem().is_some_and(|stem| stem == "vol")
                        && path.extension().is_some_and(|end| end != "blocks")
                    {
                        fs::remove_file(path).unwrap();
                    }
                }
            }
        }
        dice.fill(&mut disk[0].1[BLOCK..2 * BLOCK]);
        take_image(lab.store(), &nth_image(round * 2 + 2), &disk, Extent::All);
        check_image(lab.store(), &nth_image(round * 2 + 2), &disk);
        check_with_qemu(&lab, &nth_image(round * 2 + 2), &disk);
        lab.reopen();
    }
}
