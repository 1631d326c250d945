//! FAT12, FAT16 and FAT32, made by mkfs.vfat, filled and read by mtools.

use std::fs;

use volume_files::{Kind, Step};

use crate::rig::{Compared, Image, MIB, Without, assert_same, cant, fill, run, set_time, written_down};

fn assert_read_as_by_mtools(options: &str, len_bytes: u64, many: u64) {
    let image = Image::made_by("mkfs.vfat", &format!("-n LABEL {options}"), len_bytes);
    let source = image.dir().join("source");
    fs::create_dir(&source).unwrap();
    fill(&source, many, len_bytes / 5, Without::Links);
    // A name that is short as it is, one of small letters, and one of a read-only file.
    for name in ["SHORT.TXT", "small.txt", "Mixed.Txt", "read only"] {
        fs::write(source.join(name), name).unwrap();
        set_time(&source.join(name), 1_000_000_000);
    }
    let mtools =
        |program: &str, arguments: &[&str]| run(program, &[&["-i", image.path()], arguments].concat());
    let from = |name: &str| source.join(name).to_str().unwrap().to_owned();
    // Gaps, into which the rest goes in pieces.
    mtools("mmd", &["::/gaps"]);
    for number in 0..many / 2 {
        mtools("mcopy", &[&from("SHORT.TXT"), &format!("::/gaps/file {number}")]);
    }
    for number in (0..many / 2).step_by(2) {
        mtools("mdel", &[&format!("::/gaps/file {number}")]);
    }
    for entry in fs::read_dir(&source).unwrap() {
        mtools(
            "mcopy",
            &["-s", "-m", "-Q", entry.unwrap().path().to_str().unwrap(), "::/"],
        );
    }
    mtools("mattrib", &["+r", "::/read only"]);
    let by_mtools = image.dir().join("by-mtools");
    fs::create_dir(&by_mtools).unwrap();
    mtools("mcopy", &["-s", "-m", "-n", "::/*", by_mtools.to_str().unwrap()]);
    let expected = written_down(&by_mtools, Compared::ContentAndTimes);
    let (extracted, _, told) = image.extracted("");
    assert_eq!(told.problems, []);
    // What mtools gives times to before it fills them has none of its own.
    let files = |lines: Vec<String>| {
        lines
            .into_iter()
            .filter(|line| !line.contains("\" 40000 "))
            .collect::<Vec<_>>()
    };
    assert_same(
        &files(expected),
        &files(written_down(&extracted, Compared::ContentAndTimes)),
    );
    assert!(extracted.join("empty directory").is_dir());
    assert!(
        fs::metadata(extracted.join("read only"))
            .unwrap()
            .permissions()
            .readonly()
    );
    image.with(|files| assert_eq!(&*files.find(b"gaps/FILE 1").unwrap().name, b"file 1"));
}

#[test]
fn fat_is_read_as_mtools_reads_it() {
    if cant(&["mkfs.vfat", "mcopy", "mmd", "mdel", "mattrib"]) {
        return;
    }
    assert_read_as_by_mtools("-F 12", 2 * MIB, 60);
    assert_read_as_by_mtools("-F 12 -s 1 -f 1", 2 * MIB + 512, 60);
    assert_read_as_by_mtools("-F 16", 40 * MIB, 120);
    assert_read_as_by_mtools("-F 32", 300 * MIB, 120);
    assert_read_as_by_mtools("-F 32 -s 1", 100 * MIB, 120);
}

#[test]
fn a_chain_that_leads_in_circles_or_ends_early_is_damage() {
    if cant(&["mkfs.vfat", "mcopy", "mmd"]) {
        return;
    }
    let image = Image::made_by("mkfs.vfat", "-F 16 -s 1 -f 1 -R 1", 8 * MIB);
    let source = image.dir().join("file");
    fs::write(&source, vec![7; 512 * 9]).unwrap();
    run(
        "mcopy",
        &["-i", image.path(), source.to_str().unwrap(), "::/file"],
    );
    run("mmd", &["-i", image.path(), "::/directory"]);
    let intact = fs::read(&image.path).unwrap();
    // The file has the clusters from 2 on, the directory the one behind them; the table follows the boot sector.
    for (cluster, next, path, words) in [
        (4_usize, 2_u16, "", ""),
        (4, 0xffff, "file", "its chain is too short"),
        (4, 0xfff7, "file", "it leads beyond the last cluster"),
        (11, 11, "directory", "is damaged: it is too large"),
    ] {
        let mut bytes = intact.clone();
        bytes[512 + cluster * 2..][..2].copy_from_slice(&next.to_le_bytes());
        fs::write(&image.path, bytes).unwrap();
        let (to, _, told) = image.extracted("");
        if path.is_empty() {
            // As long as it says, whatever the chain does.
            assert_eq!(fs::metadata(to.join("file")).unwrap().len(), 512 * 9);
            continue;
        }
        assert_eq!(told.problems.len(), 1, "{:?}", told.problems);
        assert_eq!(told.problems[0].0, path);
        assert!(told.problems[0].1.contains(words), "{:?}", told.problems);
    }
}

#[test]
fn directories_that_share_their_clusters_are_no_larger_than_the_volume() {
    if cant(&["mkfs.vfat", "mcopy"]) {
        return;
    }
    let image = Image::made_by("mkfs.vfat", "-F 12 -s 1", MIB);
    let source = image.dir().join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..4000 {
        fs::write(source.join(format!("F{number:06}")), []).unwrap();
    }
    run(
        "mcopy",
        &["-s", "-Q", "-i", image.path(), source.to_str().unwrap(), "::/"],
    );
    // Each of the files becomes a directory that begins with one of the clusters that all of them are in.
    let mut bytes = fs::read(&image.path).unwrap();
    let mut entries = bytes.chunks_exact_mut(32);
    let above = entries
        .find(|entry| entry.starts_with(b"SOURCE     \x10"))
        .unwrap();
    let first = u16::from_le_bytes([above[26], above[27]]);
    let files = bytes
        .chunks_exact_mut(32)
        .filter(|entry| entry.starts_with(b"F00") && entry[11] == 0x20);
    for (number, entry) in (0..).zip(files) {
        entry[11] = 0x10;
        entry[26..28].copy_from_slice(&(first + number % 250).to_le_bytes());
    }
    fs::write(&image.path, bytes).unwrap();
    let (mut found, mut refused) = (0_u64, 0_u64);
    image.with(|files| {
        let walked = files.walk(&files.find(b"").unwrap(), &mut |_, entry| {
            let Kind::Unreadable { reason } = &entry.kind else {
                found += 1;
                return Ok(Step::Into);
            };
            refused += u64::from(reason.contains("larger than the volume"));
            Ok(Step::Into)
        });
        walked.unwrap();
    });
    assert!(found < 2 * MIB / 32, "{found} entries");
    assert!(refused > 0);
}
