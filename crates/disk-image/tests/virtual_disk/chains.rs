//! Disks that stand on others.

use std::fs;
use std::path::Path;

use disk_image::Error;
use disk_image::virtual_disk::{ExtentKind, FileFormat, MAX_LAYERS, ParentWanted};

use super::fixtures::*;

fn overlay(dir: &Path, name: &str, parent: &str, parent_format: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    let path_text = path.to_str().unwrap();
    qemu_img(&[
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        parent,
        "-F",
        parent_format,
        path_text,
        "16M",
    ]);
    path
}

#[test]
fn a_chain_of_qcow2_reads_as_its_top() {
    let dir = tempfile::tempdir().unwrap();
    let base = raw(dir.path(), "base.raw", 16 * MIB, &[0..4096, 9000..10_000]);
    let middle = overlay(dir.path(), "middle.qcow2", "base.raw", "raw");
    qemu_io(&middle, "qcow2", &["write -P 1 1M 100k", "write -z 2M 128k"]);
    let top = overlay(dir.path(), "top.qcow2", "middle.qcow2", "qcow2");
    qemu_io(&top, "qcow2", &["write -P 2 1100k 64k", "write -z 9000k 300k"]);
    let mut expected = bytes(&base);
    let mut fill = |start: usize, len: usize, byte| expected[start << 10..(start + len) << 10].fill(byte);
    fill(1024, 100, 1);
    fill(2048, 128, 0);
    fill(1100, 64, 2);
    fill(9000, 300, 0);
    let disk = open(&top, FileFormat::Qcow2).unwrap();
    assert_reads_as(&disk, &expected);
    assert_eq!(disk.paths().count(), 3);
    assert!(bytes_of(&disk, ExtentKind::Parent) > 15 * MIB);
    let flat = dir.path().join("flat.raw");
    convert(&top, &flat, "raw", &[]);
    assert!(bytes(&flat) == expected);
}

#[test]
fn a_disk_that_has_grown_reads_as_zeros_behind_its_parent() {
    let dir = tempfile::tempdir().unwrap();
    let base = raw(dir.path(), "base.raw", 8 * MIB, &[0..8192]);
    let top = overlay(dir.path(), "top.qcow2", "base.raw", "raw");
    let mut expected = bytes(&base);
    expected.resize(16 << 20, 0);
    assert_reads_as(&open(&top, FileFormat::Qcow2).unwrap(), &expected);
}

#[test]
fn a_parent_that_is_gone_or_another_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let top = overlay(dir.path(), "top.qcow2", "base.raw", "raw");
    let gone = open(&top, FileFormat::Qcow2).unwrap_err();
    assert!(matches!(gone, Error::ParentMissing { .. }), "{gone}");
    raw(dir.path(), "base.raw", 17 * MIB, &[]);
    let other = open(&top, FileFormat::Qcow2).unwrap_err();
    assert!(matches!(other, Error::OtherParent { .. }), "{other}");
    // A link may lead anywhere.
    fs::rename(dir.path().join("base.raw"), dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", dir.path().join("base.raw")).unwrap();
    let gone = open(&top, FileFormat::Qcow2).unwrap_err();
    assert!(matches!(gone, Error::ParentMissing { .. }), "{gone}");
}

#[test]
fn a_circle_of_parents_ends() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "one.qcow2", "other.qcow2", "qcow2");
    let other = overlay(dir.path(), "other.qcow2", "one.qcow2", "qcow2");
    let circle = open(&other, FileFormat::Qcow2).unwrap_err();
    assert!(
        matches!(
            circle,
            Error::ChainTooLong {
                limit: MAX_LAYERS,
                ..
            }
        ),
        "{circle}"
    );
}

#[test]
fn the_caller_decides_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    raw(dir.path(), "base.raw", 16 * MIB, &[0..64]);
    let top = overlay(dir.path(), "top.qcow2", "../../etc/passwd", "raw");
    let refuse = |wanted: &ParentWanted<'_>| {
        assert_eq!(wanted.child, top);
        assert_eq!(wanted.link.names, ["../../etc/passwd"]);
        Err(std::io::ErrorKind::PermissionDenied.into())
    };
    let file = disk_image::virtual_disk::ImageFile::new(&top, fs::File::open(&top).unwrap());
    let refused = disk_image::virtual_disk::VirtualDisk::open(file, FileFormat::Qcow2, &refuse).unwrap_err();
    assert!(matches!(refused, Error::Parent { .. }), "{refused}");
}
