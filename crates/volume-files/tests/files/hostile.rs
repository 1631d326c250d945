//! Damaged and truncated volumes: errors, no panic, and no more reading than their size warrants.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use disk_image::DiskSource;
use disk_image::volume::{FileSystem, identify};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use volume_files::{Kind, Step, open};

use crate::exfat;
use crate::rig::{FuseMount, Image, MIB, Without, cant, fill, mounted, run};

const PAGE_BYTES: usize = 512;

/// An image with other bytes here and there; counts what is read.
struct Damaged<'a> {
    intact: &'a [u8],
    bytes: BTreeMap<usize, u8>,
    read_bytes: AtomicU64,
}

impl DiskSource for Damaged<'_> {
    fn len_bytes(&self) -> io::Result<u64> {
        self.intact.len_bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.read_bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.intact.read_exact_at(buffer, offset_bytes)?;
        let from = offset_bytes as usize;
        for (at, byte) in self.bytes.range(from..from + buffer.len()) {
            buffer[at - from] = *byte;
        }
        Ok(())
    }
}

impl Damaged<'_> {
    /// Reads everything that can be read; returns how many files were read whole.
    fn assert_harmless(&self, file_system: FileSystem) -> u64 {
        let mut whole = 0;
        let Ok(files) = open(self, file_system) else {
            return 0;
        };
        let at_once = |limit: u64, what: &str| {
            let read = self.read_bytes.swap(0, Ordering::Relaxed);
            assert!(
                read <= limit,
                "{read} bytes were read by {what} of a {file_system}"
            );
        };
        let len_bytes = self.intact.len() as u64;
        at_once(len_bytes + MIB, "opening");
        let Ok(root) = files.find(b"") else { return 0 };
        let mut found = Vec::new();
        let _ = files.walk(&root, &mut |_, entry| {
            found.push(entry.clone());
            Ok(Step::Into)
        });
        at_once(64 * len_bytes + 64 * MIB, "walking");
        assert!(found.len() as u64 <= len_bytes / 8);
        for entry in found.iter().filter(|entry| entry.kind == Kind::File).take(200) {
            let mut len = 0_u64;
            let read = files.read(entry, &mut |content| {
                len += match content {
                    volume_files::Content::Data(bytes) => bytes.len() as u64,
                    volume_files::Content::Hole(len_bytes) => len_bytes,
                };
                Ok(())
            });
            if read.is_ok() {
                assert_eq!(len, entry.len_bytes);
                whole += 1;
            }
            at_once(4 * len_bytes + MIB, "reading a file");
        }
        whole
    }
}

/// Small images, without checksums where those can be had without.
fn images() -> Vec<(FileSystem, Vec<u8>)> {
    let mut images = Vec::new();
    let mut add = |image: Image| {
        let bytes = fs::read(&image.path).unwrap();
        images.push((identify(&*bytes).unwrap().file_system, bytes));
    };
    for options in [
        "-t ext2 -b 1024",
        "-t ext4 -b 1024 -O ^metadata_csum,^has_journal,inline_data",
    ] {
        let image = Image::made_by("mke2fs", &format!("-q -F {options}"), 4 * MIB);
        if let Some(mount) = mounted(&image) {
            fill(mount.path(), 60, 400_000, Without::Nothing);
        }
        add(image);
    }
    let image = Image::made_by("mkfs.ntfs", "-q -F -Q -c 1024", 4 * MIB);
    fill(
        &FuseMount::mount("ntfs-3g", &[], image.path(), image.dir().join("mount")).dir,
        60,
        400_000,
        Without::Nothing,
    );
    add(image);
    let image = Image::made_by("mkfs.exfat", "-c 1024", 4 * MIB);
    fill(&exfat::mounted(&image).dir, 60, 400_000, Without::Links);
    add(image);
    let source = tempfile::tempdir().unwrap();
    fill(source.path(), 40, 100_000, Without::Links);
    for (options, len_bytes) in [
        ("-F 12 -r 512", 2 * MIB),
        ("-F 16 -s 1", 8 * MIB),
        ("-F 32 -s 1", 40 * MIB),
    ] {
        let image = Image::made_by("mkfs.vfat", options, len_bytes);
        let paths = fs::read_dir(source.path())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        // A directory with clusters this small does not grow enough for the longest name under mtools.
        let paths = paths.filter(|path| path.file_name().is_none_or(|name| name.len() < 200));
        for path in paths {
            run(
                "mcopy",
                &["-s", "-Q", "-i", image.path(), path.to_str().unwrap(), "::/"],
            );
        }
        add(image);
    }
    images
}

#[test]
fn damaged_volumes_are_read_as_far_as_they_can_be() {
    if cant(&[
        "mke2fs",
        "mkfs.ntfs",
        "ntfs-3g",
        "mkfs.vfat",
        "mcopy",
        "mkfs.exfat",
        "mount.exfat-fuse",
        "losetup",
        "pgrep",
    ]) {
        return;
    }
    for (file_system, intact) in images() {
        let sound = Damaged {
            intact: &intact,
            bytes: BTreeMap::new(),
            read_bytes: AtomicU64::new(0),
        };
        assert!(sound.assert_harmless(file_system) >= 30, "{file_system}");
        // Where something is written: damage elsewhere proves nothing.
        let pages: Vec<usize> = (0..intact.len() / PAGE_BYTES)
            .filter(|page| {
                intact[page * PAGE_BYTES..][..PAGE_BYTES]
                    .iter()
                    .any(|byte| *byte != 0)
            })
            .collect();
        let value = prop_oneof![Just(0_u8), Just(1), Just(255), Just(127), any::<u8>()];
        let place = (any::<Index>(), 0..PAGE_BYTES, value);
        let strategy = (prop::collection::vec(place, 1..40), any::<bool>());
        let mut runner = TestRunner::new(Config {
            cases: 150,
            failure_persistence: None,
            ..Config::default()
        });
        let outcome = runner.run(&strategy, |(places, is_early)| {
            // Tables come first.
            let pages = if is_early {
                &pages[..pages.len().min(40)]
            } else {
                &pages[..]
            };
            let place =
                |(page, within, value): &(Index, usize, u8)| (page.get(pages) * PAGE_BYTES + within, *value);
            let damaged = Damaged {
                intact: &intact,
                bytes: places.iter().map(place).collect(),
                read_bytes: AtomicU64::new(0),
            };
            damaged.assert_harmless(file_system);
            Ok(())
        });
        outcome.unwrap();
        for len in [
            0,
            100,
            512,
            1500,
            4096,
            70_000,
            intact.len() / 2,
            intact.len() - 1,
        ] {
            let truncated = Damaged {
                intact: &intact[..len],
                bytes: BTreeMap::new(),
                read_bytes: AtomicU64::new(0),
            };
            truncated.assert_harmless(file_system);
        }
    }
}

#[test]
fn what_is_not_read_is_said() {
    let nothing = vec![0; 1 << 20];
    for file_system in [
        FileSystem::Xfs,
        FileSystem::Btrfs,
        FileSystem::Luks,
        FileSystem::Unknown,
    ] {
        let error = open(&&nothing[..], file_system).err().unwrap();
        assert!(error.to_string().contains("is not supported"), "{error}");
    }
    for file_system in [
        FileSystem::Ext4,
        FileSystem::Ntfs,
        FileSystem::Fat32,
        FileSystem::ExFat,
    ] {
        let error = open(&&nothing[..], file_system).err().unwrap();
        assert!(error.to_string().contains("is damaged"), "{error}");
    }
}
