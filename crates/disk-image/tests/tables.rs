//! Partition tables, beside what util-linux and gptfdisk make of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use disk_image::Error;
use disk_image::table::{PartitionKind, PartitionTable, TableKind};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

/// A disk that sfdisk has divided.
fn divided(dir: &Path, len_bytes: u64, script: &str) -> std::path::PathBuf {
    let path = dir.join("disk");
    File::create(&path).unwrap().set_len(len_bytes).unwrap();
    let mut sfdisk = Command::new("sfdisk")
        .arg("--quiet")
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    sfdisk.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success());
    path
}

/// Start, size and number of each partition, as sfdisk reads them, in bytes.
fn as_sfdisk_reads(path: &Path) -> Vec<(u64, u64)> {
    let output = Command::new("sfdisk").arg("--json").arg(path).output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let table = &json["partitiontable"];
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let mut found: Vec<_> = table["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|partition| !["5", "f", "85"].contains(&partition["type"].as_str().unwrap()))
        .map(|partition| {
            (
                partition["start"].as_u64().unwrap() * sector,
                partition["size"].as_u64().unwrap() * sector,
            )
        })
        .collect();
    found.sort_unstable();
    found
}

fn places(table: &PartitionTable) -> Vec<(u64, u64)> {
    let place = |partition: &disk_image::table::Partition| (partition.start_bytes, partition.len_bytes);
    table.partitions.iter().map(place).collect()
}

const GPT: &str = "label: gpt\n\
    size=10MiB, type=uefi, name=\"EFI system\"\n\
    size=20MiB, type=linux, name=\"wurzel-\u{e4}\", attrs=\"LegacyBIOSBootable\"\n\
    type=swap\n";

#[test]
fn a_gpt_reads_as_other_programs_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = divided(dir.path(), 100 * MIB, GPT);
    let table = PartitionTable::read(&File::open(&path).unwrap()).unwrap();
    assert!(
        matches!(table.kind, TableKind::Gpt { is_hybrid: false, .. }),
        "{table:?}"
    );
    assert_eq!(places(&table), as_sfdisk_reads(&path));
    assert!(table.warnings.is_empty(), "{:?}", table.warnings);
    let PartitionKind::Gpt {
        label, attributes, ..
    } = &table.partitions[1].kind
    else {
        panic!("{:?}", table.partitions[1]);
    };
    assert_eq!((label.as_str(), *attributes), ("wurzel-\u{e4}", 4));
}

#[test]
fn the_pieces_of_a_gpt_make_the_same_table_on_an_empty_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = divided(dir.path(), 100 * MIB, GPT);
    let table = PartitionTable::read(&File::open(&path).unwrap()).unwrap();
    let copy = dir.path().join("copy");
    let file = File::create(&copy).unwrap();
    file.set_len(100 * MIB).unwrap();
    for piece in &table.pieces {
        std::os::unix::fs::FileExt::write_all_at(&file, &piece.bytes, piece.offset_bytes).unwrap();
    }
    assert_eq!(PartitionTable::read(&File::open(&copy).unwrap()).unwrap(), table);
    let verified = Command::new("sgdisk")
        .arg("--verify")
        .arg(&copy)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(said.contains("No problems found"), "{said}");
}

#[test]
fn of_two_copies_either_will_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = divided(dir.path(), 100 * MIB, GPT);
    let whole = fs::read(&path).unwrap();
    let table = PartitionTable::read(&whole[..]).unwrap();
    let last = whole.len() - 512;
    for (at, word) in [(512 + 60, "front"), (last + 60, "end")] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let read = PartitionTable::read(&damaged[..]).unwrap();
        assert_eq!(read.partitions, table.partitions);
        assert!(read.warnings[0].contains(word), "{:?}", read.warnings);
    }
    let mut damaged = whole;
    (damaged[512 + 60], damaged[last + 60]) = (0xff, 0xff);
    let refused = PartitionTable::read(&damaged[..]);
    assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
}

#[test]
fn an_mbr_with_logical_partitions_reads_as_other_programs_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let script = "label: dos\nlabel-id: 0x1234abcd\n\
        size=10MiB, type=83, bootable\n\
        size=20MiB, type=7\n\
        type=5\n\
        size=5MiB, type=83\n\
        size=7MiB, type=82\n\
        size=9MiB, type=c\n";
    let path = divided(dir.path(), 100 * MIB, script);
    let table = PartitionTable::read(&File::open(&path).unwrap()).unwrap();
    assert_eq!(
        table.kind,
        TableKind::Mbr {
            signature: 0x1234_abcd
        }
    );
    assert_eq!(places(&table), as_sfdisk_reads(&path));
    let numbers: Vec<u32> = table
        .partitions
        .iter()
        .map(|partition| partition.number)
        .collect();
    assert_eq!(numbers, [1, 2, 5, 6, 7]);
    let active = |code| PartitionKind::Mbr {
        code,
        is_active: true,
    };
    assert_eq!(table.partitions[0].kind, active(0x83));
    // The front, and a record in front of each logical partition.
    assert_eq!(table.pieces.len(), 4);
}

#[test]
fn a_disk_without_a_table_has_none() {
    for disk in [vec![], vec![0; 100], vec![0; MIB as usize]] {
        let table = PartitionTable::read(&disk[..]).unwrap();
        assert_eq!(table.kind, TableKind::None);
        assert!(table.partitions.is_empty());
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fs");
    File::create(&path).unwrap().set_len(64 * MIB).unwrap();
    for mkfs in [["mkfs.ext4", "-q"], ["mkfs.vfat", "-F32"]] {
        assert!(
            Command::new(mkfs[0])
                .arg(mkfs[1])
                .arg(&path)
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        let table = PartitionTable::read(&File::open(&path).unwrap()).unwrap();
        assert_eq!(table.kind, TableKind::None, "{}", mkfs[0]);
    }
}

/// An MBR with these entries: type, first sector, sectors.
fn mbr(len_bytes: usize, entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut disk = vec![0; len_bytes];
    record(&mut disk, 0, entries);
    disk
}

fn record(disk: &mut [u8], sector: usize, entries: &[(u8, u32, u32)]) {
    let at = sector * 512;
    disk[at + 510..at + 512].copy_from_slice(&[0x55, 0xaa]);
    for (index, (code, first, sectors)) in entries.iter().enumerate() {
        let entry = at + 446 + index * 16;
        disk[entry + 4] = *code;
        disk[entry + 8..entry + 12].copy_from_slice(&first.to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&sectors.to_le_bytes());
    }
}

#[test]
fn hostile_tables_are_refused() {
    let len = 4 << 20;
    let overlapping = mbr(len, &[(0x83, 100, 200), (0x83, 250, 100)]);
    let beyond = mbr(len, &[(0x83, 100, u32::MAX)]);
    for disk in [overlapping, beyond] {
        let refused = PartitionTable::read(&disk[..]);
        assert!(matches!(refused, Err(Error::Misplaced { .. })), "{refused:?}");
    }
    let mut circle = mbr(len, &[(5, 1000, 2000)]);
    record(&mut circle, 1000, &[(0x83, 1, 1), (5, 500, 10)]);
    record(&mut circle, 1500, &[(0x83, 1, 1), (5, 0, 10)]);
    let mut outside = mbr(len, &[(5, 1000, 2000)]);
    record(&mut outside, 1000, &[(0x83, 1, 1), (5, 4000, 10)]);
    let empty_record = mbr(len, &[(5, 1000, 2000)]);
    for disk in [circle, outside, empty_record] {
        let refused = PartitionTable::read(&disk[..]);
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{refused:?}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics(
        flips in proptest::collection::vec((prop_oneof![0usize..2048, 0usize..40_000], any::<u8>()), 1..6),
        len in prop_oneof![Just(64usize << 10), 0usize..40_000],
    ) {
        let mut disk = mbr(64 << 10, &[(0xee, 1, 127), (5, 40, 60), (0x83, 20, 10)]);
        record(&mut disk, 40, &[(0x83, 2, 5), (5, 20, 10)]);
        record(&mut disk, 60, &[(0x83, 2, 5)]);
        disk[512..520].copy_from_slice(b"EFI PART");
        for (at, value) in flips {
            disk[at] = value;
        }
        disk.truncate(len);
        // What comes out does not matter, only that something does.
        let _ = PartitionTable::read(&disk[..]);
        disk.iter_mut().skip(446 + 4).take(1).for_each(|code| *code = 5);
        let _ = PartitionTable::read(&disk[..]);
    }
}
