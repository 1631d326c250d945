//! Damaged, truncated and changing volumes: the map stays well-formed, and no more is read than the volume's size warrants.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use disk_image::DiskSource;
use disk_image::volume::{Choice, FileSystem, LeaveOut, Stillness, Trust, Volume, identify, used};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::rig::{Image, KIB, MIB, assert_well_formed, lacks, run};

const PAGE_BYTES: usize = 512;
const OMIT_ALL: LeaveOut = LeaveOut {
    swap: Choice::Omit,
    hibernation: Choice::Omit,
};

/// When the damage is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Always,
    /// By every third read only: the volume is in use.
    Sometimes,
}

/// An image with other bytes here and there, or its end cut off; counts what is read.
struct Damaged<'a> {
    intact: &'a [u8],
    bytes: BTreeMap<usize, u8>,
    seen: Seen,
    reads: AtomicU64,
    read_bytes: AtomicU64,
}

impl DiskSource for Damaged<'_> {
    fn len_bytes(&self) -> io::Result<u64> {
        self.intact.len_bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let number = self.reads.fetch_add(1, Ordering::Relaxed);
        self.read_bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.intact.read_exact_at(buffer, offset_bytes)?;
        if self.seen == Seen::Always || number.is_multiple_of(3) {
            let from = offset_bytes as usize;
            for (at, byte) in self.bytes.range(from..from + buffer.len()) {
                buffer[at - from] = *byte;
            }
        }
        Ok(())
    }
}

impl<'a> Damaged<'a> {
    fn new(intact: &'a [u8], bytes: BTreeMap<usize, u8>, seen: Seen) -> Self {
        Self {
            intact,
            bytes,
            seen,
            reads: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
        }
    }

    /// Reads its map, also as if it had been recognized before the damage.
    fn assert_harmless(&self, before: &Volume) {
        let len_bytes = self.intact.len() as u64;
        let now = identify(self).unwrap();
        for volume in [&now, before] {
            for leave_out in [LeaveOut::default(), OMIT_ALL] {
                let map = used(self, volume, leave_out, Stillness::default()).unwrap();
                assert_well_formed(&map, len_bytes);
                if matches!(map.trust(), Trust::Everything { .. }) {
                    assert_eq!(map.used_bytes(), len_bytes);
                }
            }
        }
        let read = self.read_bytes.load(Ordering::Relaxed);
        assert!(
            read <= 16 * len_bytes + 64 * MIB,
            "{read} bytes were read of {len_bytes}"
        );
    }
}

/// Small images, with and without checksums that would keep damage from going deep.
fn images() -> Vec<(FileSystem, Vec<u8>)> {
    let made = |file_system, len_bytes, program: &str, options: &str| {
        let options: Vec<&str> = options.split_whitespace().collect();
        let image = Image::create(len_bytes).made_by(program, &options);
        // So few clusters are no FAT32 to mtools.
        if matches!(file_system, FileSystem::Fat12 | FileSystem::Fat16) {
            run("mcopy", &["-i", image.path(), "Cargo.toml", "::/"]);
        }
        (file_system, std::fs::read(&image.path).unwrap())
    };
    use FileSystem::{Btrfs, ExFat, Ext2, Ext4, Fat12, Fat16, Fat32, Ntfs, Swap, Xfs};
    vec![
        made(Ext2, 2 * MIB, "mke2fs", "-q -F -t ext2 -b 1024 -g 512 -d src"),
        made(
            Ext4,
            16 * MIB,
            "mke2fs",
            "-q -F -t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode,^metadata_csum -d src",
        ),
        made(
            Ext4,
            8 * MIB,
            "mke2fs",
            "-q -F -t ext4 -O bigalloc -C 16384 -d src",
        ),
        made(Xfs, 32 * MIB, "mkfs.xfs", "-q --unsupported -m crc=0"),
        made(Xfs, 32 * MIB, "mkfs.xfs", "-q --unsupported"),
        made(Ntfs, 4 * MIB, "mkfs.ntfs", "-q -F -Q -c 512"),
        made(Fat12, 256 * KIB, "mkfs.vfat", "-F 12"),
        made(Fat16, 3 * MIB, "mkfs.vfat", "-F 16 -s 1"),
        made(Fat32, 4 * MIB, "mkfs.vfat", "-F 32 -s 1"),
        made(ExFat, 2 * MIB, "mkfs.exfat", "-c 512 -b 64K"),
        made(
            Btrfs,
            32 * MIB,
            "mkfs.btrfs",
            "-q --mixed --csum sha256 --rootdir src",
        ),
        made(Btrfs, 32 * MIB, "mkfs.btrfs", "-q --mixed -n 4096 --rootdir src"),
        made(Swap, MIB, "mkswap", "-q"),
    ]
}

fn each_image(test: impl Fn(&[u8], &Volume)) {
    let tools = [
        "mke2fs",
        "mkfs.xfs",
        "mkfs.ntfs",
        "mkfs.vfat",
        "mcopy",
        "mkfs.exfat",
        "mkfs.btrfs",
        "mkswap",
    ];
    if lacks(&tools) {
        return;
    }
    for (file_system, bytes) in images() {
        let volume = identify(&bytes[..]).unwrap();
        assert_eq!(volume.file_system, file_system);
        let map = used(&bytes[..], &volume, LeaveOut::default(), Stillness::default()).unwrap();
        assert_eq!(map.trust(), &Trust::Exact, "{volume:?}");
        test(&bytes, &volume);
    }
}

/// Bytes that are not zero, in the first mebibyte and elsewhere, become others.
fn assert_damage_is_harmless(seen: Seen) {
    each_image(|intact, volume| {
        let written: Vec<usize> = (0..intact.len() / PAGE_BYTES)
            .filter(|page| {
                intact[page * PAGE_BYTES..][..PAGE_BYTES]
                    .iter()
                    .any(|byte| !matches!(byte, 0 | 0xff))
            })
            .collect();
        let damage = (
            any::<Index>(),
            0..PAGE_BYTES,
            prop_oneof![Just(0_u8), Just(0xff), Just(1), any::<u8>()],
        );
        let damages = prop::collection::vec(damage, 1..12);
        let outcome = TestRunner::new(Config::with_cases(400)).run(&damages, |damages| {
            let place =
                |(page, within, byte): &(Index, usize, u8)| (page.get(&written) * PAGE_BYTES + within, *byte);
            let bytes = damages.iter().map(place).collect();
            Damaged::new(intact, bytes, seen).assert_harmless(volume);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{volume:?}: {error}"));
    });
}

#[test]
fn damaged_volumes_have_a_well_formed_map() {
    assert_damage_is_harmless(Seen::Always);
}

#[test]
fn volumes_that_change_while_they_are_read_have_a_well_formed_map() {
    assert_damage_is_harmless(Seen::Sometimes);
}

#[test]
fn every_byte_of_a_superblock_may_be_any_other() {
    each_image(|intact, volume| {
        let superblock = Superblock::of(volume.file_system, intact);
        for at in superblock.at..superblock.at + superblock.len.min(1024) {
            for byte in [0, 0xff, intact[at] ^ 1, intact[at] ^ 0x10] {
                let bytes = BTreeMap::from([(at, byte)]);
                Damaged::new(intact, bytes.clone(), Seen::Always).assert_harmless(volume);
                let sealed = superblock.sealed(intact, bytes);
                Damaged::new(intact, sealed, Seen::Always).assert_harmless(volume);
            }
        }
    });
}

/// Where a superblock lies, and how its checksum is made, so that damage may have the right one.
struct Superblock {
    at: usize,
    len: usize,
    seal: fn(&[u8]) -> Option<(usize, u32)>,
}

impl Superblock {
    fn of(file_system: FileSystem, intact: &[u8]) -> Self {
        const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI);
        let (at, len, seal): (_, _, fn(&[u8]) -> _) = match file_system {
            FileSystem::Ext2 | FileSystem::Ext4 => {
                (1024, 1024, |bytes| Some((0x3fc, !CRC.checksum(&bytes[..0x3fc]))))
            }
            FileSystem::Btrfs => (64 << 10, 4096, |bytes| Some((0, CRC.checksum(&bytes[32..])))),
            FileSystem::Xfs => (0, 512, |bytes| {
                let mut zeroed = bytes.to_vec();
                zeroed[224..228].fill(0);
                Some((224, CRC.checksum(&zeroed)))
            }),
            FileSystem::ExFat => (0, 11 * 512, |bytes| {
                let counted = bytes
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| ![106, 107, 112].contains(at));
                let sum =
                    |sum: u32, (_, byte): (usize, &u8)| sum.rotate_right(1).wrapping_add(u32::from(*byte));
                Some((11 * 512, counted.fold(0, sum)))
            }),
            FileSystem::Swap => (1024, 512, |_| None),
            _ => (0, 512, |_| None),
        };
        let superblock = Self { at, len, seal };
        // A seal that is none would prove nothing.
        if let Some((place, sum)) = seal(&intact[at..at + len]) {
            let stored = &intact[at + place..][..4];
            // Old versions of ext and XFS have none, and btrfs may have another kind.
            let has_none = stored == [0; 4] || (file_system == FileSystem::Btrfs && intact[at + 0xc4] != 0);
            assert!(stored == sum.to_le_bytes() || has_none, "{file_system}");
        }
        superblock
    }

    fn sealed(&self, intact: &[u8], mut bytes: BTreeMap<usize, u8>) -> BTreeMap<usize, u8> {
        let mut damaged = intact[self.at..self.at + self.len].to_vec();
        bytes.iter().for_each(|(at, byte)| damaged[at - self.at] = *byte);
        if let Some((place, sum)) = (self.seal)(&damaged) {
            bytes.extend((self.at + place..).zip(sum.to_le_bytes()));
        }
        bytes
    }
}

#[test]
fn truncated_volumes_have_a_well_formed_map() {
    each_image(|intact, volume| {
        let lens = [
            0,
            1,
            511,
            512,
            1024,
            2047,
            4096,
            65 << 10,
            70_000,
            intact.len() / 2,
            intact.len() - 1,
        ];
        for len in lens.into_iter().filter(|len| *len < intact.len()) {
            Damaged::new(&intact[..len], BTreeMap::new(), Seen::Always).assert_harmless(volume);
        }
    });
}
