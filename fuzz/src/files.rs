//! Reading the files of a volume, within bounds.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use disk_image::DiskSource;
use disk_image::volume::FileSystem;
use volume_files::{Content, Entry, Error, Files, Kind, Step, open};

use crate::{SparseDisk, checksums};

const ENTRIES: usize = 256;
const DEPTH: usize = 8;
/// Of so many files so much is read.
const READ_FILES: usize = 32;
const READ_BYTES: u64 = 4 << 20;
/// On the way to a name a directory is read whole each time.
const FOUND_PATHS: usize = 8;
const MIB: u64 = 1 << 20;

/// A volume that counts what is read of it.
struct Counted {
    disk: SparseDisk,
    read_bytes: AtomicU64,
}

impl DiskSource for Counted {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.len_bytes())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.read_bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.disk.read_exact_at(buffer, offset_bytes)
    }
}

impl Counted {
    /// Checks that no more was read since the last time than the size of the volume warrants.
    fn assert_read(&self, times_volume: u64, what: &str) {
        let read_bytes = self.read_bytes.swap(0, Ordering::Relaxed);
        let most = times_volume * self.disk.len_bytes() + MIB;
        assert!(read_bytes <= most, "{read_bytes} bytes were read by {what}");
    }
}

/// Opens a volume as one of a file system, walks through its directories, and reads of its files what there is.
///
/// # Panics
/// If what was read contradicts itself, or more was read than the volume's size warrants: what the fuzzer looks for.
pub fn files(input: &[u8], file_system: FileSystem) {
    let mut disk = SparseDisk::decode(input);
    if disk.has_right_checksums {
        checksums::exfat(&mut disk);
    }
    let volume = Counted {
        disk,
        read_bytes: AtomicU64::new(0),
    };
    let Ok(files) = open(&volume, file_system) else {
        return;
    };
    let root = files.find(b"").expect("the empty path is the root");
    volume.assert_read(1, "opening");
    let found = walk(&files, &root);
    volume.assert_read(16, "walking");
    for (path, _) in found.iter().take(FOUND_PATHS) {
        // A name may occur twice, or hold a slash: another entry may be found, or none.
        let _ = files.find(path);
    }
    volume.assert_read(16 * (DEPTH * FOUND_PATHS) as u64, "finding");
    for (_, entry) in &found {
        check(&files, entry);
    }
    volume.assert_read(1, "looking at what has no content");
    let regular = found.iter().filter(|(_, entry)| entry.kind == Kind::File);
    for (_, entry) in regular.take(READ_FILES) {
        read(&files, entry);
        volume.assert_read(4, "reading a file");
    }
}

/// The first entries beneath the root, with their paths.
fn walk(files: &Files<'_>, root: &Entry) -> Vec<(Vec<u8>, Entry)> {
    let mut found = Vec::new();
    // What ends it is a damaged root, or having enough.
    let _ = files.walk(root, &mut |path, entry| {
        found.push((path.to_vec(), entry.clone()));
        match path.iter().filter(|byte| **byte == b'/').count() {
            _ if found.len() == ENTRIES => Err(Error::Cancelled),
            depth if depth < DEPTH => Ok(Step::Into),
            _ => Ok(Step::Over),
        }
    });
    found
}

/// Checks what an entry says of itself.
fn check(files: &Files<'_>, entry: &Entry) {
    let is_listed = entry.kind == Kind::Directory || files.list(entry).is_err();
    assert!(is_listed, "only directories hold something");
    let is_read = entry.kind == Kind::File || files.read(entry, &mut |_| Ok(())).is_err();
    assert!(is_read, "only files have content");
    assert!(entry.mode <= 0o7777 && entry.modified.nanos < 1_000_000_000);
    match &entry.kind {
        Kind::File => {}
        Kind::Link { target } => assert_eq!(target.len() as u64, entry.len_bytes),
        _ => assert_eq!(entry.len_bytes, 0),
    }
}

/// Reads a file, and checks that it is as long as it said.
fn read(files: &Files<'_>, entry: &Entry) {
    let mut at = 0_u64;
    let mut data_bytes = 0;
    let outcome = files.read(entry, &mut |content| {
        let len_bytes = match content {
            Content::Data(bytes) => {
                data_bytes += bytes.len() as u64;
                bytes.len() as u64
            }
            Content::Hole(len_bytes) => len_bytes,
        };
        assert!(len_bytes > 0, "parts of a file are not empty");
        at = at.checked_add(len_bytes).expect("a file has a length");
        assert!(at <= entry.len_bytes, "a file is longer than it said");
        match data_bytes {
            ..READ_BYTES => Ok(()),
            _ => Err(Error::Cancelled),
        }
    });
    if outcome.is_ok() {
        assert_eq!(at, entry.len_bytes, "a file is shorter than it said");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_is_a_volume_with_files() {
        for (target, file_system) in [
            ("ext_files", FileSystem::Ext4),
            ("ntfs_files", FileSystem::Ntfs),
            ("fat_files", FileSystem::Fat32),
            ("exfat_files", FileSystem::ExFat),
        ] {
            let corpus = format!("{}/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
            for seed in std::fs::read_dir(corpus).expect("the target has a corpus") {
                let seed = seed.expect("the corpus can be read").path();
                if !seed.to_string_lossy().contains("seed-") {
                    continue;
                }
                let input = std::fs::read(&seed).expect("a seed can be read");
                files(&input, file_system);
                let disk = SparseDisk::decode(&input);
                let files = open(&disk, file_system).expect("a seed can be opened");
                let root = files.find(b"").expect("it has a root");
                let found = walk(&files, &root);
                let is_readable = |entry: &Entry| match entry.kind {
                    Kind::Unreadable { .. } => false,
                    Kind::File => files.read(entry, &mut |_| Ok(())).is_ok(),
                    _ => true,
                };
                assert!(found.len() >= 4, "{}", seed.display());
                assert!(found.iter().all(|(_, entry)| is_readable(entry)), "{found:?}");
            }
        }
    }
}
