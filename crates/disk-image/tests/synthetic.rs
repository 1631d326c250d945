//! Virtual disks, as QEMU reads them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one")]

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_image::Error;
use disk_image::synthetic::{Assembled, Content, Disk, Format, Part, assemble, vmdk_descriptor};
use scratch_fs::Scratch;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A volume's raw image: data here and there, holes between.
struct Volume {
    path: PathBuf,
    len_bytes: u64,
    data: Vec<Range<u64>>,
}

impl Volume {
    fn create(dir: &Path, len_bytes: u64, data: &[Range<u64>]) -> Self {
        let path = dir.join("volume.raw");
        let file = File::create(&path).unwrap();
        file.set_len(len_bytes).unwrap();
        for (number, range) in data.iter().enumerate() {
            let byte = number as u8 + 1;
            let bytes: Vec<u8> = (range.start..range.end)
                .map(|at| byte ^ (at / 512) as u8)
                .collect();
            file.write_all_at(&bytes, range.start).unwrap();
        }
        Self {
            path,
            len_bytes,
            data: data.to_vec(),
        }
    }

    /// The disk with the volume at an offset, a table in front and something at its very end.
    fn disk(&self, start_bytes: u64, len_bytes: u64) -> Disk {
        let shifted = |range: &Range<u64>| start_bytes + range.start..start_bytes + range.end;
        let mut data = vec![0..512];
        data.extend(self.data.iter().map(shifted));
        data.push(len_bytes - 512..len_bytes);
        Disk {
            len_bytes,
            data,
            id: uuid::Uuid::from_u128(0x1234_5678_9abc_def0_1122_3344_5566_7788),
            made_secs: 1_795_935_054,
        }
    }
}

/// Makes a disk in a format, and the same as raw bytes by plain copying.
fn make(
    volume: &Volume,
    start_bytes: u64,
    len_bytes: u64,
    format: Format,
    dir: &Path,
) -> (PathBuf, Assembled) {
    let disk = volume.disk(start_bytes, len_bytes);
    let file = File::open(&volume.path).unwrap();
    let (front, back) = ([0x55; 512], [0xaa; 512]);
    let parts = [
        Part {
            range: len_bytes - 512..len_bytes,
            content: Content::Bytes(&back),
        },
        Part {
            range: 0..512,
            content: Content::Bytes(&front),
        },
        Part {
            range: start_bytes..start_bytes + volume.len_bytes,
            content: Content::File {
                file: &file,
                offset_bytes: 0,
            },
        },
    ];
    let path = dir.join(format!("disk-{format}"));
    let plan = format.plan(&disk).unwrap();
    let done = assemble(&plan, &parts, &new_file(&path)).unwrap();
    (path, done)
}

/// A new file, in place of one that is there, open for reading too.
fn new_file(path: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    options.open(path).unwrap()
}

fn reference(volume: &Volume, start_bytes: u64, len_bytes: u64, dir: &Path) -> PathBuf {
    let path = dir.join("reference.raw");
    let file = File::create(&path).unwrap();
    file.set_len(len_bytes).unwrap();
    file.write_all_at(&[0x55; 512], 0).unwrap();
    file.write_all_at(&[0xaa; 512], len_bytes - 512).unwrap();
    let content = fs::read(&volume.path).unwrap();
    for range in &volume.data {
        let bytes = &content[range.start as usize..range.end as usize];
        file.write_all_at(bytes, start_bytes + range.start).unwrap();
    }
    path
}

/// What qemu-img calls a format.
fn qemu_name(format: Format) -> &'static str {
    match format {
        Format::Raw => "raw",
        Format::VhdFixed | Format::VhdDynamic => "vpc",
        Format::Vhdx => "vhdx",
        Format::Qcow2 => "qcow2",
        Format::VmdkFlat => "vmdk",
    }
}

fn qemu_img(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("qemu-img").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "qemu-img {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Fails unless QEMU finds the format sound and the content that of the reference.
fn assert_reads_as(reference: &Path, made: &Path, format: Format, disk: &Disk) {
    let mut made = made.to_owned();
    if format == Format::VmdkFlat {
        let descriptor = made.with_extension("vmdk");
        let flat = made.file_name().unwrap().to_str().unwrap().to_owned();
        fs::write(&descriptor, vmdk_descriptor(disk, &flat)).unwrap();
        made = descriptor;
    }
    let name = qemu_name(format);
    let (reference, made) = (reference.to_str().unwrap(), made.to_str().unwrap());
    if matches!(format, Format::Qcow2 | Format::Vhdx) {
        qemu_img(&["check", "-q", "-f", name, made]);
    }
    qemu_img(&["compare", "-f", "raw", "-F", name, reference, made]);
    // Zeros at the end of one of the two would pass for nothing.
    let info = qemu_img(&["info", "--output", "json", "-f", name, made]);
    let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info["virtual-size"], disk.len_bytes, "{format}");
}

fn on_file_systems_with_reflinks(test: impl Fn(&Path)) {
    for scratch in [Scratch::btrfs(GIB), Scratch::xfs(GIB)] {
        match scratch {
            Ok(scratch) => test(scratch.path()),
            Err(why) => eprintln!("skipped: {why}"),
        }
    }
}

#[test]
fn every_format_reads_as_the_disk_it_was_made_of() {
    on_file_systems_with_reflinks(|dir| {
        let data = [
            0..MIB,
            5 * MIB..5 * MIB + 4096,
            17 * MIB + 8192..29 * MIB,
            60 * MIB..64 * MIB,
        ];
        let volume = Volume::create(dir, 64 * MIB, &data);
        // The last is no multiple of any block.
        for len_bytes in [66 * MIB, 66 * MIB + 512, 75 * MIB + 4096 + 1536] {
            let reference = reference(&volume, MIB, len_bytes, dir);
            for format in Format::ALL {
                let (made, done) = make(&volume, MIB, len_bytes, format, dir);
                assert_reads_as(&reference, &made, format, &volume.disk(MIB, len_bytes));
                assert!(done.copied_bytes <= 1024, "{format}: {done:?}");
                assert!(done.shared_bytes >= 17 * MIB, "{format}: {done:?}");
                assert!(done.structure_bytes <= 512 << 10, "{format}: {done:?}");
            }
        }
    });
}

#[test]
fn a_volume_that_begins_within_a_page_is_copied() {
    on_file_systems_with_reflinks(|dir| {
        let volume = Volume::create(dir, 16 * MIB, &[0..MIB, 5 * MIB..6 * MIB]);
        let (start_bytes, len_bytes) = (63 * 512, 20 * MIB);
        let reference = reference(&volume, start_bytes, len_bytes, dir);
        for format in Format::ALL {
            let (made, done) = make(&volume, start_bytes, len_bytes, format, dir);
            assert_reads_as(&reference, &made, format, &volume.disk(start_bytes, len_bytes));
            assert_eq!(done.shared_bytes, 0, "{format}");
        }
    });
}

#[test]
fn without_reflinks_content_is_copied_and_holes_stay() {
    let scratch = match Scratch::ext4(GIB) {
        Ok(scratch) => scratch,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let dir = scratch.path();
    let volume = Volume::create(dir, 100 * MIB, &[0..MIB, 50 * MIB..51 * MIB]);
    let reference = reference(&volume, MIB, 102 * MIB, dir);
    for format in Format::ALL {
        let (made, done) = make(&volume, MIB, 102 * MIB, format, dir);
        assert_reads_as(&reference, &made, format, &volume.disk(MIB, 102 * MIB));
        assert_eq!(done.shared_bytes, 0);
        let allocated = fs::metadata(&made).unwrap().blocks() * 512;
        assert!(allocated < 4 * MIB, "{format}: {allocated} bytes are allocated");
    }
}

#[test]
fn a_disk_without_content_and_a_very_large_one_are_made_too() {
    on_file_systems_with_reflinks(|dir| {
        let volume = Volume::create(dir, 4 * MIB, &[0..4096]);
        for len_bytes in [8 * MIB, 500 * GIB] {
            for format in Format::ALL {
                let (made, done) = make(&volume, MIB, len_bytes, format, dir);
                assert!(done.structure_bytes < 2 * MIB, "{format}: {done:?}");
                let name = qemu_name(format);
                if matches!(format, Format::Qcow2 | Format::Vhdx) {
                    qemu_img(&["check", "-q", "-f", name, made.to_str().unwrap()]);
                }
                let empty = Disk {
                    data: Vec::new(),
                    ..volume.disk(MIB, len_bytes)
                };
                let path = dir.join("empty");
                assemble(&format.plan(&empty).unwrap(), &[], &File::create(&path).unwrap()).unwrap();
                if format != Format::VmdkFlat {
                    qemu_img(&["info", "-f", name, path.to_str().unwrap()]);
                }
            }
        }
    });
}

#[test]
fn what_a_format_cant_hold_is_refused() {
    let disk = |len_bytes, data| Disk {
        len_bytes,
        data,
        id: uuid::Uuid::nil(),
        made_secs: 0,
    };
    for format in [Format::VhdFixed, Format::VhdDynamic] {
        let refused = format.plan(&disk(2041 * GIB, Vec::new()));
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    }
    for format in Format::ALL {
        let refused = format.plan(&disk(1000, Vec::new()));
        assert!(matches!(refused, Err(Error::PartialSector { .. })), "{refused:?}");
        for data in [vec![0..10, 5..20], vec![0..MIB + 1], vec![9..9]] {
            let refused = format.plan(&disk(MIB, data));
            assert!(matches!(refused, Err(Error::Misplaced { .. })), "{refused:?}");
        }
        assert_eq!(format.to_string().parse(), Ok(format));
    }
}
