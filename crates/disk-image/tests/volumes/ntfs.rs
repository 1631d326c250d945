//! NTFS, made by mkfs.ntfs and filled by ntfs-3g.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use disk_image::volume::{Choice, Condition, FileSystem, LeaveOut};

use crate::rig::{
    FuseMount, Image, MIB, assert_tight, cant_mount, fill, lacks, number_after, run, written_down,
};

const TOOLS: &[&str] = &["mkfs.ntfs", "ntfs-3g", "ntfsinfo", "ntfsfix", "blkid", "pgrep"];
const OMIT_ALL: LeaveOut = LeaveOut {
    swap: Choice::Omit,
    hibernation: Choice::Omit,
};

fn made(options: &[&str], len_bytes: u64) -> Option<Image> {
    if lacks(TOOLS) || cant_mount() {
        return None;
    }
    let mut all = vec!["-q", "-F", "-Q", "-L", "Großes Volume"];
    all.extend(options);
    Some(Image::create(len_bytes).made_by("mkfs.ntfs", &all))
}

fn mounted(image: &Image, path: &Path) -> FuseMount {
    FuseMount::mount("ntfs-3g", &[], path, &image.dir().join("mount"))
}

/// What ntfsinfo calls used.
fn reported(path: &Path) -> u64 {
    let info = run("ntfsinfo", &["-m", path.to_str().unwrap()]);
    let clusters = number_after(&info, "Volume Size in Clusters:") - number_after(&info, "Free Clusters:");
    clusters * number_after(&info, "Cluster Size:")
}

fn assert_copy_is_the_same(image: &Image, copy: &PathBuf) {
    run("ntfsfix", &["--no-action", copy.to_str().unwrap()]);
    assert_eq!(reported(&image.path), reported(copy));
    let original = written_down(&mounted(image, &image.path).dir);
    assert!(original.len() > 20);
    assert_eq!(original, written_down(&mounted(image, copy).dir));
    // The copy of the boot sector is the very last one.
    let bytes = fs::read(copy).unwrap();
    let sector_bytes = usize::from(u16::from_le_bytes([bytes[11], bytes[12]]));
    let last = bytes.len() / sector_bytes * sector_bytes - sector_bytes;
    assert_eq!(bytes[..512], bytes[last..last + 512]);
}

#[test]
fn ntfs_survives_being_copied_by_its_map() {
    // The last has a record larger than a cluster, and another size of sectors.
    let variants: [(&[&str], u64); 5] = [
        (&[], 100 * MIB),
        (&["-c", "512"], 64 * MIB + 1536),
        (&["-c", "65536"], 200 * MIB + 512),
        (&["-c", "2048"], 100 * MIB),
        (&["-s", "4096", "-c", "4096"], 100 * MIB),
    ];
    for (options, len_bytes) in variants {
        let Some(image) = made(options, len_bytes) else {
            return;
        };
        fill(&mounted(&image, &image.path).dir, 20 * MIB);
        image.assert_named(FileSystem::Ntfs, "ntfs");
        assert_eq!(image.volume().condition, Condition::Clean);
        let map = image.map(LeaveOut::default());
        assert_tight(&map, reported(&image.path), 128 << 10);
        let copy = image.copied_by(&map);
        assert_copy_is_the_same(&image, &copy);
    }
}

#[test]
fn a_table_and_files_in_very_many_pieces_are_found() {
    let Some(image) = made(&["-c", "512"], 24 * MIB) else {
        return;
    };
    let mount = mounted(&image, &image.path);
    // Full of small files, then every other one gone: whatever grows next, the table and a page file included, is in pieces.
    let dir = mount.dir.join("d");
    fs::create_dir(&dir).unwrap();
    let mut count = 0;
    while fs::write(dir.join(count.to_string()), [count as u8; 2500]).is_ok() {
        count += 1;
    }
    for number in (0..count).step_by(2) {
        fs::remove_file(dir.join(number.to_string())).unwrap();
    }
    fs::write(mount.dir.join("pagefile.sys"), vec![0x77; 2 * MIB as usize]).unwrap();
    for number in 0..4000 {
        fs::write(dir.join(format!("small {number}")), b"resident").unwrap();
    }
    drop(mount);
    for file in [["-i", "0"], ["-F", "pagefile.sys"]] {
        let info = run("ntfsinfo", &[file[0], file[1], "-v", image.path()]);
        assert!(info.contains("ATTRIBUTE_LIST"), "{info}");
    }
    let map = image.map(LeaveOut::default());
    assert_tight(&map, reported(&image.path), 128 << 10);
    assert_copy_is_the_same(&image, &image.copied_by(&map));
    let without = image.map(OMIT_ALL);
    assert_eq!(map.used_bytes() - without.used_bytes(), 2 * MIB);
}

#[test]
fn page_and_hibernation_files_are_left_out_on_request_and_only_those() {
    let Some(image) = made(&[], 64 * MIB) else {
        return;
    };
    let mount = mounted(&image, &image.path);
    fs::create_dir(mount.dir.join("below")).unwrap();
    let sizes = [
        ("pagefile.sys", 4),
        ("swapfile.sys", 2),
        ("hiberfil.sys", 3),
        ("below/pagefile.sys", 5),
    ];
    for (name, size) in sizes {
        fs::write(mount.dir.join(name), vec![0x5a; (size * MIB) as usize]).unwrap();
    }
    // So many that the directory is an index of several blocks.
    for number in 0..300 {
        fs::write(mount.dir.join(format!("other file {number}")), b"x").unwrap();
    }
    drop(mount);
    let all = image.map(LeaveOut::default()).used_bytes();
    let choices = [
        (Choice::Omit, Choice::Keep, 6),
        (Choice::Keep, Choice::Omit, 3),
        (Choice::Omit, Choice::Omit, 9),
    ];
    for (swap, hibernation, size) in choices {
        let map = image.map(LeaveOut { swap, hibernation });
        assert_eq!(all - map.used_bytes(), size * MIB);
    }
    let copy = image.copied_by(&image.map(OMIT_ALL));
    let mount = mounted(&image, &copy);
    let read = |name: &str| fs::read(mount.dir.join(name)).unwrap();
    assert_eq!(read("pagefile.sys"), vec![0; 4 * MIB as usize]);
    assert_eq!(read("below/pagefile.sys"), vec![0x5a; 5 * MIB as usize]);
    assert_eq!(read("other file 299"), b"x");
}

/// Overwrites the start of the empty log.
fn write_log(image: &Image, pages: &[(u64, u16, u16)]) {
    let content = fs::read(&image.path).unwrap();
    let at = content
        .chunks(4096)
        .position(|page| page.iter().all(|byte| *byte == 0xff))
        .unwrap()
        * 4096;
    let file = File::options().write(true).open(&image.path).unwrap();
    for (number, (lsn, client, flags)) in pages.iter().enumerate() {
        let mut page = vec![0; 4096];
        page[..4].copy_from_slice(b"RSTR");
        page[16..20].copy_from_slice(&4096_u32.to_le_bytes());
        page[24..26].copy_from_slice(&0x30_u16.to_le_bytes());
        page[0x30..0x38].copy_from_slice(&lsn.to_le_bytes());
        page[0x3c..0x3e].copy_from_slice(&client.to_le_bytes());
        page[0x3e..0x40].copy_from_slice(&flags.to_le_bytes());
        file.write_all_at(&page, at as u64 + number as u64 * 4096)
            .unwrap();
    }
}

#[test]
fn of_an_unfinished_log_or_a_marked_volume_everything_is_kept() {
    let Some(image) = made(&[], 32 * MIB) else {
        return;
    };
    write_log(&image, &[(5, 0, 0), (6, 0, 2)]);
    image.map(LeaveOut::default());
    let Some(image) = made(&[], 32 * MIB) else {
        return;
    };
    write_log(&image, &[(7, 0, 0), (6, 0, 2)]);
    assert_eq!(image.volume().condition, Condition::Dirty);
    assert!(image.distrust().contains("was not unmounted"));
    // The flags of the volume, behind its attribute of 24 bytes and 10 in the value.
    let Some(image) = made(&[], 32 * MIB) else {
        return;
    };
    let content = fs::read(&image.path).unwrap();
    let record = number_after(
        &run("ntfsinfo", &["-m", image.path()]),
        "LCN of Data Attribute for FILE_MFT:",
    ) * 4096
        + 3072;
    let record = record as usize;
    let attribute = (record..record + 1024)
        .step_by(8)
        .find(|at| content[*at..*at + 4] == [0x70, 0, 0, 0]);
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(&[1], attribute.unwrap() as u64 + 24 + 10)
        .unwrap();
    assert!(image.distrust().contains("marked to be checked"));
}

#[test]
fn damage_to_records_is_seen() {
    let Some(image) = made(&[], 32 * MIB) else {
        return;
    };
    let mft = number_after(
        &run("ntfsinfo", &["-m", image.path()]),
        "LCN of Data Attribute for FILE_MFT:",
    ) * 4096;
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(&[1, 2], mft + 6 * 1024 + 510).unwrap();
    assert!(image.distrust().contains("not written as a whole"));
    file.set_len(20 * MIB).unwrap();
    assert!(image.distrust().contains("larger than the volume"));
}
