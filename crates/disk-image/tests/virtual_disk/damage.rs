//! Damaged files: an error or other content, never a panic, and never much memory.

use std::path::Path;

use disk_image::Error;
use disk_image::virtual_disk::{FileFormat, ImageFile, NoParents, VirtualDisk};

use super::fixtures::*;

const LEN_BYTES: u64 = 8 * MIB;

fn image(dir: &Path, name: &str, options: &[&str]) -> Vec<u8> {
    let reference = raw(dir, "reference.raw", LEN_BYTES, &[0..512, 5000..5100]);
    let path = dir.join("image");
    convert(&reference, &path, name, options);
    bytes(&path)
}

fn open_bytes(bytes: &[u8], format: FileFormat) -> disk_image::Result<VirtualDisk> {
    let file = ImageFile {
        path: "memory".into(),
        source: Box::new(bytes.to_vec()),
    };
    VirtualDisk::open(file, format, &NoParents)
}

fn read_all(disk: &VirtualDisk) -> disk_image::Result<Vec<u8>> {
    let mut content = vec![0; disk.len_bytes().min(2 * LEN_BYTES) as usize];
    disk.read_at(&mut content, 0)?;
    Ok(content)
}

#[test]
fn a_vhd_is_read_by_the_copy_of_its_footer() {
    let dir = tempfile::tempdir().unwrap();
    let whole = image(dir.path(), "vpc", &["-o", "force_size=on"]);
    let expected = read_all(&open_bytes(&whole, FileFormat::Vhd).unwrap()).unwrap();
    let mut damaged = whole.clone();
    let last = damaged.len() - 512;
    damaged[last + 50] ^= 1;
    let disk = open_bytes(&damaged, FileFormat::Vhd).unwrap();
    assert!(read_all(&disk).unwrap() == expected);
    damaged[50] ^= 1;
    let neither = open_bytes(&damaged, FileFormat::Vhd).unwrap_err();
    assert!(matches!(neither, Error::Damaged { .. }), "{neither}");
    // A header has no copy.
    let mut damaged = whole;
    damaged[512 + 30] ^= 1;
    assert!(open_bytes(&damaged, FileFormat::Vhd).is_err());
}

#[test]
fn a_vhdx_is_read_by_whichever_copies_are_sound() {
    let dir = tempfile::tempdir().unwrap();
    let whole = image(dir.path(), "vhdx", &[]);
    let expected = read_all(&open_bytes(&whole, FileFormat::Vhdx).unwrap()).unwrap();
    for pair in [[64, 128], [192, 256]] {
        let mut both = whole.clone();
        for at_kib in pair {
            let mut damaged = whole.clone();
            damaged[(at_kib << 10) + 20] ^= 1;
            both[(at_kib << 10) + 20] ^= 1;
            let disk = open_bytes(&damaged, FileFormat::Vhdx).unwrap();
            assert!(read_all(&disk).unwrap() == expected, "{at_kib} KiB");
        }
        let neither = open_bytes(&both, FileFormat::Vhdx).unwrap_err();
        assert!(matches!(neither, Error::Damaged { .. }), "{neither}");
    }
}

#[test]
fn blocks_beyond_the_end_or_within_structures_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let vhd = image(dir.path(), "vpc", &["-o", "force_size=on"]);
    let vhdx = image(dir.path(), "vhdx", &[]);
    let qcow2 = image(dir.path(), "qcow2", &[]);
    let level_1 = u64::from_be_bytes(qcow2[40..48].try_into().unwrap()) as usize;
    type Case<'a> = (&'a [u8], FileFormat, usize, Vec<Vec<u8>>);
    let cases: [Case<'_>; 3] = [
        (
            &vhd,
            FileFormat::Vhd,
            1536,
            [0u32, 1, 3, 0x7fff_ffff, 0xffff_fffe]
                .map(|entry| entry.to_be_bytes().to_vec())
                .into(),
        ),
        (
            &vhdx,
            FileFormat::Vhdx,
            2 << 20,
            [
                6u64,
                1 << 20 | 6,
                2 << 20 | 6,
                3 << 20 | 6,
                1 << 40 | 6,
                u64::MAX << 20 | 6,
                4,
                5,
                1 << 23 | 7,
            ]
            .map(|entry| entry.to_le_bytes().to_vec())
            .into(),
        ),
        (
            &qcow2,
            FileFormat::Qcow2,
            level_1,
            [0x200u64, 1 << 40, level_1 as u64, 0x00ff_ffff_ffff_0000]
                .map(|entry| entry.to_be_bytes().to_vec())
                .into(),
        ),
    ];
    for (whole, format, at, entries) in cases {
        for entry in entries {
            let mut damaged = whole.to_vec();
            damaged[at..at + entry.len()].copy_from_slice(&entry);
            let refused = open_bytes(&damaged, format).and_then(|disk| read_all(&disk));
            let error = refused.expect_err(&format!("{format:?} {entry:x?}"));
            assert!(
                matches!(error, Error::Damaged { .. }),
                "{format:?} {entry:x?}: {error}"
            );
        }
    }
}

#[test]
fn impossible_sizes_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let qcow2 = image(dir.path(), "qcow2", &[]);
    for (at, field) in [
        (24, u64::MAX),
        (24, 1 << 63),
        (24, 1 << 62),
        (40, u64::MAX),
        (40, 0),
        (8, 1 << 63),
    ] {
        let mut damaged = qcow2.clone();
        damaged[at..at + 8].copy_from_slice(&field.to_be_bytes());
        damaged[36..40].copy_from_slice(&u32::MAX.to_be_bytes());
        let error = open_bytes(&damaged, FileFormat::Qcow2).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{at}: {error}");
    }
    let fixed = image(dir.path(), "vpc", &["-o", "subformat=fixed,force_size=on"]);
    for len_bytes in [1 << 63, 2041 << 30, LEN_BYTES + 512, LEN_BYTES + 1] {
        let mut damaged = fixed.clone();
        let footer = damaged.len() - 512;
        damaged[footer + 48..footer + 56].copy_from_slice(&u64::to_be_bytes(len_bytes));
        damaged[footer + 64..footer + 68].fill(0);
        let sum: u32 = damaged[footer..].iter().map(|byte| u32::from(*byte)).sum();
        damaged[footer + 64..footer + 68].copy_from_slice(&(!sum).to_be_bytes());
        assert!(open_bytes(&damaged, FileFormat::Vhd).is_err(), "{len_bytes}");
    }
}

#[test]
fn no_cut_and_no_flipped_byte_makes_a_reader_panic() {
    let dir = tempfile::tempdir().unwrap();
    type Case<'a> = (&'a str, FileFormat, &'a [&'a str], &'a [std::ops::Range<usize>]);
    let cases: [Case<'_>; 4] = [
        ("vpc", FileFormat::Vhd, &["-o", "force_size=on"], &[0..1600]),
        (
            "vhdx",
            FileFormat::Vhdx,
            &[],
            &[
                0..16,
                65536..65536 + 80,
                196_608..196_608 + 96,
                2 << 20..(2 << 20) + 64,
                3 << 20..(3 << 20) + 240,
            ],
        ),
        (
            "qcow2",
            FileFormat::Qcow2,
            &[],
            &[0..200, 0x10000..0x10010, 0x30000..0x30100],
        ),
        (
            "qcow2",
            FileFormat::Qcow2,
            &["-c", "-o", "compression_type=zstd"],
            &[0..200, 0x30000..0x30100, 0x40000..0x40400],
        ),
    ];
    for (name, format, options, ranges) in cases {
        let whole = image(dir.path(), name, options);
        for at in ranges.iter().cloned().flatten().filter(|at| *at < whole.len()) {
            for flip in [0x80, 0x01, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= flip;
                if let Ok(disk) = open_bytes(&damaged, format) {
                    let mut some = vec![0; disk.len_bytes().min(MIB) as usize];
                    let _ = disk.read_at(&mut some, 0);
                }
            }
        }
        for len in (0..whole.len()).step_by(whole.len() / 100 + 1) {
            if let Ok(disk) = open_bytes(&whole[..len], format) {
                let _ = read_all(&disk);
            }
        }
    }
}
