//! Disks with something in them, and the tools that know the formats.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_image::virtual_disk::{ExtentKind, FileFormat, ImageFile, SameDirectory, VirtualDisk};

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;

/// Bytes that differ from sector to sector, and compress.
pub fn pattern(seed: u64, offset_bytes: u64, len_bytes: u64) -> Vec<u8> {
    let sectors = offset_bytes / 512..(offset_bytes + len_bytes) / 512;
    sectors
        .flat_map(|sector| {
            let mut bytes = [seed as u8; 512];
            bytes[..8].copy_from_slice(&(sector + 1).to_le_bytes());
            bytes[504..].copy_from_slice(&seed.to_le_bytes());
            bytes
        })
        .collect()
}

/// Makes a raw disk with data at some ranges of KiB.
pub fn raw(dir: &Path, name: &str, len_bytes: u64, data_kib: &[std::ops::Range<u64>]) -> PathBuf {
    let path = dir.join(name);
    let file = File::create(&path).unwrap();
    file.set_len(len_bytes).unwrap();
    for (seed, range) in (1..).zip(data_kib) {
        let (start, len) = (range.start * KIB, (range.end - range.start) * KIB);
        file.write_all_at(&pattern(seed, start, len), start).unwrap();
    }
    path
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

pub fn qemu_img(arguments: &[&str]) -> String {
    run("qemu-img", arguments)
}

/// Runs commands of qemu-io on an image.
pub fn qemu_io(image: &Path, format: &str, commands: &[&str]) {
    let mut arguments = vec!["-f", format];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(image.to_str().unwrap());
    run("qemu-io", &arguments);
}

pub fn convert(from: &Path, to: &Path, format: &str, options: &[&str]) {
    let mut arguments = vec!["convert", "-O", format];
    arguments.extend(options);
    arguments.extend([from.to_str().unwrap(), to.to_str().unwrap()]);
    qemu_img(&arguments);
}

pub fn open(path: &Path, format: FileFormat) -> disk_image::Result<VirtualDisk> {
    let file = ImageFile::new(path, File::open(path).unwrap());
    VirtualDisk::open(file, format, &SameDirectory)
}

/// All of a disk, read in pieces of odd sizes.
pub fn content(disk: &VirtualDisk) -> Vec<u8> {
    let mut content = vec![0xee; disk.len_bytes() as usize];
    let mut at = 0;
    for size in [512, 100_000, 1, 3 << 20, 65_536].into_iter().cycle() {
        let end = (at + size).min(content.len());
        disk.read_at(&mut content[at..end], at as u64).unwrap();
        at = end;
        if at == content.len() {
            break;
        }
    }
    content
}

/// Fails unless a disk reads as the raw bytes, and says so where it says that there are zeros.
pub fn assert_reads_as(disk: &VirtualDisk, reference: &[u8]) {
    assert_eq!(disk.len_bytes(), reference.len() as u64);
    assert!(content(disk) == reference, "{disk:?} reads otherwise");
    let mut end = 0;
    for extent in disk.content(0..disk.len_bytes()) {
        let extent = extent.unwrap();
        assert_eq!(extent.range.start, end);
        end = extent.range.end;
        assert_ne!(extent.kind, ExtentKind::Parent);
        if extent.kind == ExtentKind::Zeros {
            let range = extent.range.start as usize..extent.range.end as usize;
            assert!(reference[range].iter().all(|byte| *byte == 0), "{extent:?}");
        }
    }
    assert_eq!(end, disk.len_bytes());
}

/// How many bytes of a disk are said to be of a kind.
pub fn bytes_of(disk: &VirtualDisk, kind: ExtentKind) -> u64 {
    let extents = disk.extents(0..disk.len_bytes()).map(Result::unwrap);
    let of_kind = extents.filter(|extent| extent.kind == kind);
    of_kind.map(|extent| extent.range.end - extent.range.start).sum()
}

pub fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
