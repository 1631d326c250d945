//! Each format as QEMU and `synthetic` write it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use disk_image::Error;
use disk_image::synthetic::{Content, Disk, Format, Part, assemble};
use disk_image::virtual_disk::{ExtentKind, FileFormat, ImageFile, NoParents, VirtualDisk};

use super::fixtures::*;

const DATA_KIB: [std::ops::Range<u64>; 5] = [0..64, 1000..1004, 5000..9000, 20_001..20_002, 40_000..40_960];
const LEN_BYTES: u64 = 40 * MIB;

/// A new file, in place of one that is there, open for reading too.
fn new_file(path: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    options.open(path).unwrap()
}

#[test]
fn what_qemu_writes_reads_as_the_raw_disk() {
    let dir = tempfile::tempdir().unwrap();
    let reference = raw(dir.path(), "reference.raw", LEN_BYTES, &DATA_KIB);
    let expected = bytes(&reference);
    let vhd = FileFormat::Vhd;
    let vhdx = FileFormat::Vhdx;
    let qcow2 = FileFormat::Qcow2;
    let cases: &[(&str, FileFormat, &[&str])] = &[
        ("raw", FileFormat::Raw, &[]),
        ("vpc", vhd, &["-o", "subformat=dynamic,force_size=on"]),
        ("vpc", vhd, &["-o", "subformat=fixed,force_size=on"]),
        ("vhdx", vhdx, &["-o", "subformat=dynamic"]),
        ("vhdx", vhdx, &["-o", "subformat=fixed"]),
        ("vhdx", vhdx, &["-o", "block_size=1M"]),
        ("qcow2", qcow2, &["-o", "compat=0.10"]),
        ("qcow2", qcow2, &["-o", "compat=1.1"]),
        ("qcow2", qcow2, &["-o", "cluster_size=512"]),
        ("qcow2", qcow2, &["-o", "cluster_size=2M"]),
        ("qcow2", qcow2, &["-c"]),
        ("qcow2", qcow2, &["-c", "-o", "compat=0.10,cluster_size=4k"]),
        ("qcow2", qcow2, &["-c", "-o", "compression_type=zstd"]),
        (
            "qcow2",
            qcow2,
            &["-c", "-o", "compression_type=zstd,cluster_size=2M"],
        ),
        ("qcow2", qcow2, &["-o", "preallocation=metadata"]),
        ("qcow2", qcow2, &["-o", "lazy_refcounts=on"]),
    ];
    for (name, format, options) in cases {
        let path = dir.path().join("image");
        convert(&reference, &path, name, options);
        let disk = open(&path, *format).unwrap_or_else(|error| panic!("{name} {options:?}: {error}"));
        assert_reads_as(&disk, &expected);
        let probed = FileFormat::probe(&File::open(&path).unwrap()).unwrap();
        assert_eq!(probed, *format, "{name} {options:?}");
        if options.contains(&"subformat=dynamic") || options.contains(&"-c") {
            let data = bytes_of(&disk, ExtentKind::Data);
            assert!(data < LEN_BYTES, "{name} {options:?}: {data} bytes of data");
        }
    }
}

#[test]
fn what_is_assembled_reads_as_the_disk_it_was_made_of() {
    let dir = tempfile::tempdir().unwrap();
    for len_bytes in [LEN_BYTES, LEN_BYTES + 512, LEN_BYTES + 4096 + 1536] {
        let reference = raw(dir.path(), "reference.raw", len_bytes, &DATA_KIB);
        let file = File::open(&reference).unwrap();
        let disk = Disk {
            len_bytes,
            data: DATA_KIB
                .iter()
                .map(|range| range.start * KIB..range.end * KIB)
                .collect(),
            id: uuid::Uuid::from_u128(7),
            made_secs: 1_795_935_054,
        };
        for (format, read_as) in [
            (Format::Raw, FileFormat::Raw),
            (Format::VhdFixed, FileFormat::Vhd),
            (Format::VhdDynamic, FileFormat::Vhd),
            (Format::Vhdx, FileFormat::Vhdx),
            (Format::Qcow2, FileFormat::Qcow2),
        ] {
            let path = dir.path().join("image");
            let content = Content::File {
                file: &file,
                offset_bytes: 0,
            };
            let part = Part {
                range: 0..len_bytes,
                content,
            };
            assemble(&format.plan(&disk).unwrap(), &[part], &new_file(&path)).unwrap();
            let disk = open(&path, read_as).unwrap();
            assert_reads_as(&disk, &bytes(&reference));
            // Holes within blocks, and a fixed disk's, are known as such.
            let data = bytes_of(&disk, ExtentKind::Data);
            assert!(
                format == Format::Qcow2 || data < 6 * MIB,
                "{format}: {data} bytes of data"
            );
        }
    }
}

#[test]
fn what_cant_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let path_text = path.to_str().unwrap();
    let data_file = format!("data_file={}", dir.path().join("data").display());
    let cases: [&[&str]; 3] = [
        &["-o", "extended_l2=on"],
        &["-o", &data_file],
        // Not LUKS: for that qemu-img measures how fast the machine is, and gives up on one that is busy.
        &[
            "--object",
            "secret,id=s,data=x",
            "-o",
            "encrypt.format=aes,encrypt.key-secret=s",
        ],
    ];
    for options in cases {
        let mut arguments = vec!["create", "-q", "-f", "qcow2"];
        arguments.extend(options);
        arguments.extend([path_text, "1M"]);
        qemu_img(&arguments);
        let refused = open(&path, FileFormat::Qcow2).unwrap_err();
        assert!(
            matches!(refused, Error::Unsupported { .. }),
            "{options:?}: {refused}"
        );
    }
}

#[test]
fn zeros_that_qemu_wrote_are_known_without_reading() {
    let dir = tempfile::tempdir().unwrap();
    let reference = raw(dir.path(), "reference.raw", 8 * MIB, &[0..8192]);
    let path = dir.path().join("image");
    for (name, format) in [("qcow2", FileFormat::Qcow2), ("vhdx", FileFormat::Vhdx)] {
        convert(&reference, &path, name, &[]);
        qemu_io(&path, name, &["write -z 2M 2M", "write -P 7 3M 64k"]);
        let mut expected = bytes(&reference);
        expected[2 << 20..4 << 20].fill(0);
        expected[3 << 20..(3 << 20) + (64 << 10)].fill(7);
        let disk = open(&path, format).unwrap();
        assert_reads_as(&disk, &expected);
    }
    let disk = open(&path, FileFormat::Vhdx).unwrap();
    assert_eq!(disk.paths().count(), 1);
    convert(&reference, &path, "qcow2", &[]);
    qemu_io(&path, "qcow2", &["write -z 2M 2M"]);
    assert_eq!(
        bytes_of(&open(&path, FileFormat::Qcow2).unwrap(), ExtentKind::Zeros),
        2 * MIB
    );
}

/// QEMU logs a change of the table before it makes it, and then empties the log by taking its name out of the header. A stop in
/// between is made by undoing both.
#[test]
fn a_vhdx_log_is_replayed() {
    const TABLE_AT: u64 = 2 << 20;
    let dir = tempfile::tempdir().unwrap();
    let reference = raw(dir.path(), "reference.raw", 64 * MIB, &[0..1024]);
    let path = dir.path().join("image");
    convert(&reference, &path, "vhdx", &["-o", "block_size=1M"]);
    let before = bytes(&path);
    qemu_io(&path, "vhdx", &["write -P 9 20M 1M"]);
    let after = bytes(&path);
    let table = TABLE_AT as usize..TABLE_AT as usize + 4096;
    assert!(before[table.clone()] != after[table.clone()]);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&before[table], TABLE_AT).unwrap();
    let log = &after[1 << 20..];
    assert_eq!(log[..4], *b"loge");
    for at in [64 << 10, 128 << 10] {
        let mut header = after[at..at + 4096].to_vec();
        header[48..64].copy_from_slice(&log[32..48]);
        header[4..8].fill(0);
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&header);
        header[4..8].copy_from_slice(&sum.to_le_bytes());
        file.write_all_at(&header, at as u64).unwrap();
    }
    let mut expected = bytes(&reference);
    expected[20 << 20..21 << 20].fill(9);
    let left = bytes(&path);
    assert_reads_as(&open(&path, FileFormat::Vhdx).unwrap(), &expected);
    assert!(bytes(&path) == left, "reading has changed the file");
    // QEMU's own replay comes to the same.
    qemu_img(&["check", "-q", "-r", "all", "-f", "vhdx", path.to_str().unwrap()]);
    assert!(bytes(&path) != left);
    assert_reads_as(&open(&path, FileFormat::Vhdx).unwrap(), &expected);
    // A log that is damaged is not passed over.
    file.write_all_at(&left, 0).unwrap();
    file.write_all_at(b"x", (1 << 20) + 4096 + 100).unwrap();
    assert!(matches!(
        open(&path, FileFormat::Vhdx),
        Err(Error::Damaged { .. })
    ));
}

#[test]
fn a_disk_is_read_up_to_its_end_only() {
    let disk = VirtualDisk::open(
        ImageFile {
            path: "memory".into(),
            source: Box::new(vec![1; 1024]),
        },
        FileFormat::Raw,
        &NoParents,
    )
    .unwrap();
    let mut buffer = [0; 512];
    disk.read_at(&mut buffer, 512).unwrap();
    for offset in [513, 1024, u64::MAX - 100] {
        assert!(disk.read_at(&mut buffer, offset).is_err());
    }
    disk.read_at(&mut [], 1024).unwrap();
    assert_eq!(disk.extents(600..5000).count(), 1);
    assert_eq!(disk.extents(2000..5000).count(), 0);
}
