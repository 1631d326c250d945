//! What is written here, as QEMU and libvhdi read it.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_image::Error;
use disk_image::virtual_disk::write::{NewDisk, Parent, WriteFormat, Writer};
use disk_image::virtual_disk::{ExtentKind, FileFormat, ParentLink, absorb_parent};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use uuid::Uuid;

use super::fixtures::*;

const FORMATS: [WriteFormat; 3] = [WriteFormat::Vhd, WriteFormat::Vhdx, WriteFormat::Qcow2];

fn read_as(format: WriteFormat) -> FileFormat {
    match format {
        WriteFormat::Vhd => FileFormat::Vhd,
        WriteFormat::Vhdx => FileFormat::Vhdx,
        WriteFormat::Qcow2 => FileFormat::Qcow2,
    }
}

/// A part of a disk that an image changes, and the byte that it is changed to.
type Edit = (Range<u64>, u8);

/// Files of one format, of which each but the first stands on another, and what each must read as.
struct Chain {
    dir: PathBuf,
    format: WriteFormat,
    made: usize,
    images: Vec<(PathBuf, Vec<u8>)>,
}

impl Chain {
    fn begin(dir: &Path, format: WriteFormat) -> Self {
        Self {
            dir: dir.to_owned(),
            format,
            made: 0,
            images: Vec::new(),
        }
    }

    /// Adds an image on top.
    fn add(&mut self, len_bytes: u64, edits: &[Edit]) {
        let mut content = self.images.last().map_or(Vec::new(), |(_, below)| below.clone());
        content.resize(len_bytes as usize, 0);
        self.made += 1;
        let path = self.dir.join(format!("image-{}", self.made));
        let parent = self.images.last().map(|(parent, _)| {
            let disk = open(parent, read_as(self.format)).unwrap();
            let link = ParentLink::to(&disk, parent.file_name().unwrap().to_str().unwrap());
            Parent { disk, link }
        });
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        let new = NewDisk {
            format: self.format,
            len_bytes,
            id: Uuid::from_u128(self.made as u128),
            made_secs: 1_795_935_054,
            parent,
        };
        let mut writer = Writer::create(file, new).unwrap();
        for (range, byte) in edits {
            let part = &mut content[range.start as usize..range.end as usize];
            if *byte == 0 {
                part.fill(0);
                writer.write_zeros(range.clone()).unwrap();
            } else {
                part.copy_from_slice(&pattern(u64::from(*byte), range.start, range.end - range.start));
                writer.write_at(part, range.start).unwrap();
            }
        }
        writer.finish().unwrap();
        self.images.push((path, content));
    }

    fn delete(&mut self, index: usize) {
        let (path, _) = self.images.remove(index);
        if let Some((child, _)) = self.images.get(index) {
            let absorbed = absorb_parent(
                child,
                read_as(self.format),
                &disk_image::virtual_disk::SameDirectory,
            );
            let absorbed = absorbed.unwrap();
            assert_eq!(absorbed.parent, path);
            let before = index.checked_sub(1).map(|before| self.images[before].0.clone());
            assert_eq!(absorbed.grandparent, before);
        }
        fs::remove_file(path).unwrap();
    }

    fn check(&self) {
        for (path, content) in &self.images {
            assert_reads_as(&open(path, read_as(self.format)).unwrap(), content);
        }
    }

    /// As [`Self::check`], by the tools that know the format.
    fn check_with_tools(&self) {
        let reference = self.dir.join("reference");
        for (index, (path, content)) in self.images.iter().enumerate() {
            let (path, reference) = (path.to_str().unwrap(), reference.to_str().unwrap());
            fs::write(reference, content).unwrap();
            let name = match self.format {
                WriteFormat::Qcow2 => "qcow2",
                WriteFormat::Vhd => "vpc",
                WriteFormat::Vhdx => "vhdx",
            };
            // It knows no parents of the other two.
            if self.format == WriteFormat::Qcow2 || index == 0 {
                qemu_img(&["compare", "-f", "raw", "-F", name, reference, path]);
            }
            if self.format == WriteFormat::Qcow2 || (self.format == WriteFormat::Vhdx && index == 0) {
                qemu_img(&["check", "-q", "-f", name, path]);
            }
            if self.format != WriteFormat::Qcow2 {
                assert!(
                    read_by_libvhdi(path, &self.dir) == *content,
                    "libvhdi reads {path} otherwise ({:?})",
                    self.format
                );
            }
        }
    }
}

/// A disk's content, mounted by `vhdimount`.
fn read_by_libvhdi(path: &str, dir: &Path) -> Vec<u8> {
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        }
    }
    let at = dir.join("mounted");
    fs::create_dir_all(&at).unwrap();
    run("vhdimount", &[path, at.to_str().unwrap()]);
    let mounted = Mounted(at);
    let mut disks: Vec<PathBuf> = fs::read_dir(&mounted.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    disks.sort();
    // One for each file, the parents first.
    fs::read(disks.last().unwrap()).unwrap()
}

fn has_fuse() -> bool {
    let has = Path::new("/dev/fuse").exists() && rustix::process::geteuid().is_root();
    if !has {
        eprintln!("skipped: libvhdi's mount needs FUSE and root");
    }
    has
}

const EDITS: [(Range<u64>, u8); 6] = [
    (0..65_536, 1),
    (131_072..131_072 + 4096, 2),
    (2_097_152 - 512..2_097_152 + 1024, 3),
    (3 << 20..5 << 20, 4),
    (4_300_800..4_300_800 + 65_536 * 3, 0),
    ((9 << 20) - 512..9 << 20, 5),
];

#[test]
fn other_tools_read_what_is_written() {
    if !has_fuse() {
        return;
    }
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = Chain::begin(dir.path(), format);
        // Neither is a multiple of blocks or clusters. The second write of a cluster is no edit for qcow2.
        chain.add(9 << 20, &EDITS[..4]);
        chain.add(
            9 << 20,
            &[
                (512..1024, 7),
                (2 << 20..4 << 20, 0),
                ((9 << 20) - 512..9 << 20, 8),
            ],
        );
        // One that differs in nothing.
        chain.add(9 << 20, &[]);
        chain.add(
            9 << 20,
            &[
                (1024..2048, 9),
                (3 << 20..(3 << 20) + 512, 9),
                (5 << 20..7 << 20, 6),
            ],
        );
        chain.check();
        chain.check_with_tools();
    }
}

#[test]
fn zeros_hide_what_was_written_before() {
    for format in [WriteFormat::Vhd, WriteFormat::Vhdx] {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = Chain::begin(dir.path(), format);
        chain.add(9 << 20, &EDITS);
        chain.add(
            9 << 20,
            &[
                (0..9 << 20, 0),
                (1 << 20..2 << 20, 3),
                (1 << 20..(1 << 20) + 512, 0),
                (0..512, 9),
            ],
        );
        chain.check();
    }
}

#[test]
fn what_does_not_differ_takes_no_space() {
    use std::os::unix::fs::MetadataExt as _;
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = Chain::begin(dir.path(), format);
        chain.add(64 << 20, &[(0..32 << 20, 1)]);
        chain.add(
            64 << 20,
            &[(8 << 20..(8 << 20) + 131_072, 2), (16 << 20..24 << 20, 0)],
        );
        let allocated = fs::metadata(&chain.images[1].0).unwrap().blocks() * 512;
        // VHD has no zeros but written ones, as holes of the file.
        assert!(allocated < 1 << 20, "{format:?}: {allocated} bytes");
        let disk = open(&chain.images[1].0, read_as(format)).unwrap();
        let changed = (8 << 20) + 131_072;
        let parents = bytes_of(&disk, ExtentKind::Parent);
        assert!(parents >= (64 << 20) - changed, "{format:?}: {parents}");
    }
}

#[test]
fn a_cluster_is_not_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(dir.path().join("image"))
        .unwrap();
    let new = NewDisk {
        format: WriteFormat::Qcow2,
        len_bytes: 1 << 20,
        id: Uuid::nil(),
        made_secs: 0,
        parent: None,
    };
    let mut writer = Writer::create(file, new).unwrap();
    // In parts, without another in between.
    writer.write_at(&[1; 512], 0).unwrap();
    writer.write_at(&[2; 512], 1024).unwrap();
    writer.write_at(&[3; 512], 65_536).unwrap();
    let refused = writer
        .write_at(&[4; 512], 512)
        .and_then(|()| writer.finish())
        .unwrap_err();
    assert!(
        matches!(refused, Error::Misplaced { offset_bytes: 0 }),
        "{refused}"
    );
}

#[test]
fn a_parent_of_another_format_or_identity_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for format in [WriteFormat::Vhd, WriteFormat::Vhdx] {
        let mut chain = Chain::begin(dir.path(), format);
        chain.add(4 << 20, &[(0..512, 1)]);
        chain.add(4 << 20, &[(512..1024, 2)]);
        let (parent, child) = (chain.images[0].0.clone(), chain.images[1].0.clone());
        // Another disk in the parent's place.
        fs::remove_file(&parent).unwrap();
        let mut other = Chain::begin(dir.path(), format);
        other.made = 70;
        other.add(4 << 20, &[]);
        fs::rename(&other.images[0].0, &parent).unwrap();
        let refused = open(&child, read_as(format)).unwrap_err();
        assert!(matches!(refused, Error::OtherParent { .. }), "{refused}");
        fs::remove_file(&parent).unwrap();
        let refused = open(&child, read_as(format)).unwrap_err();
        assert!(matches!(refused, Error::ParentMissing { .. }), "{refused}");
        fs::remove_file(&child).unwrap();
    }
}

#[test]
fn an_interrupted_merge_leaves_the_child_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::begin(dir.path(), WriteFormat::Vhdx);
    chain.add(4 << 20, &[(0..512, 1)]);
    chain.add(4 << 20, &[(512..1024, 2)]);
    let child = chain.images[1].0.clone();
    let before = bytes(&child);
    // What a killed one leaves.
    let mut left = child.clone().into_os_string();
    left.push(".new");
    fs::write(&left, b"half").unwrap();
    chain.check();
    assert!(bytes(&child) == before);
    chain.delete(0);
    chain.check();
    assert!(!Path::new(&left).exists());
}

const HISTORY_LEN_BYTES: u64 = 6 << 20;

/// What happens to a chain.
#[derive(Debug, Clone)]
enum Step {
    /// An image is added, of so many sectors at the end more, with edits.
    Add(u64, Vec<(u64, u64, u8)>),
    /// One of the images is deleted.
    Delete(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Mostly small, with some that cover blocks; the byte 0 stands for zeros.
    let len = prop_oneof![3 => 1u64..200, 1 => 1u64..6000];
    let edit = (0..HISTORY_LEN_BYTES / 512, len, 0u8..4);
    let edits = prop::collection::vec(edit, 0..6);
    let step = prop_oneof![
        3 => (prop_oneof![3 => Just(0u64), 1 => 0u64..300], edits).prop_map(|(more, edits)| Step::Add(more, edits)),
        2 => any::<prop::sample::Index>().prop_map(Step::Delete),
    ];
    prop::collection::vec(step, 1..10)
}

/// Edits in order, none in a cluster of another: so can all formats be written.
fn in_order(edits: &[(u64, u64, u8)], len_bytes: u64) -> Vec<Edit> {
    let mut sorted = edits.to_vec();
    sorted.sort_unstable();
    let mut next = 0;
    let mut edits = Vec::new();
    for (sector, sectors, byte) in sorted {
        let start = (sector * 512).max(next);
        let end = (start + sectors * 512).min(len_bytes);
        if start < end {
            edits.push((start..end, byte));
            next = end.next_multiple_of(65_536);
        }
    }
    edits
}

#[test]
fn any_image_can_be_deleted_in_any_history() {
    let with_tools = has_fuse();
    for format in FORMATS {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 24,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&steps(), |steps| {
            let dir = tempfile::tempdir().unwrap();
            let mut chain = Chain::begin(dir.path(), format);
            let mut len_bytes = HISTORY_LEN_BYTES;
            for step in &steps {
                match step {
                    Step::Add(more, edits) => {
                        // Other tools expect all disks of a chain to be of one size.
                        if format == WriteFormat::Qcow2 {
                            len_bytes += more * 512;
                        }
                        chain.add(len_bytes, &in_order(edits, len_bytes));
                    }
                    Step::Delete(_) if chain.images.is_empty() => {}
                    Step::Delete(which) => chain.delete(which.index(chain.images.len())),
                }
                chain.check();
            }
            if with_tools {
                chain.check_with_tools();
            }
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{format:?}: {failure}"));
    }
}
