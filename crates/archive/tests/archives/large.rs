//! Sizes, offsets and numbers of members that take zip64, and more than a ustar header holds. Nothing of it is stored.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use archive::{Archive, Format, Member, Selection, planned_len};
use manifest::{ContentHash, Kind, Reader};

use super::rig::*;

const GIB: u64 = 1 << 30;

static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// So many zeros.
struct Zeros(u64);

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.0).unwrap().min(buffer.len());
        buffer[..len].fill(0);
        self.0 -= len as u64;
        Ok(len)
    }
}

/// Leaves holes where there are zeros.
struct Holes(File);

impl Write for Holes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= 4096 && Some(bytes) == ZEROS.get(..bytes.len()) {
            self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A backup with files of zeros, each of so many bytes.
fn zeros(sizes: &[(&str, u64)]) -> Backup {
    let mut backup = Backup::default();
    for (path, size) in sizes {
        let kind = Kind::Volume {
            size: *size,
            hash: ContentHash([7; 32]),
        };
        backup.add(path, metadata(0o600), kind);
    }
    backup
}

fn whole(reader: &Reader<Vec<u8>>, format: Format) -> impl Iterator<Item = archive::Result<Member>> {
    Selection::new([""]).unwrap().members(reader, format).unwrap()
}

/// Makes the archive in a file.
fn made(backup: &Backup, format: Format) -> Unpacking {
    let unpacking = Unpacking::of(b"", format);
    let reader = backup.reader();
    let out = Holes(File::create(&unpacking.archive).unwrap());
    let mut archive = Archive::create(format, out).unwrap();
    for member in whole(&reader, format) {
        let member = member.unwrap();
        let open = |from| Ok(Zeros(member.size_bytes() - from));
        archive.add(&member, open).unwrap();
    }
    let Holes(file) = archive.finish().unwrap();
    let planned = planned_len(format, whole(&reader, format)).unwrap();
    assert_eq!(planned, Some(file.metadata().unwrap().len()));
    unpacking
}

#[test]
fn a_zip_has_files_and_offsets_beyond_4_gib() {
    let backup = zeros(&[("a", 4 * GIB + 5), ("b", 300_000), ("c", 3)]);
    let unpacking = made(&backup, Format::Zip);
    let script = "
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
for member in archive.infolist():
    print(member.filename, member.file_size, member.extract_version, member.header_offset > 1 << 32)
print(len(archive.read('b')), archive.read('c'))";
    let printed = unpacking.run("python3", &["-c", script]).content();
    let expected = "a 4294967301 45 False\nb 300000 45 True\nc 3 45 True\n300000 b'\\x00\\x00\\x00'\n";
    assert_eq!(printed, expected);
    let listed = unpacking.run("unzip", &["-Z1"]).content();
    assert_eq!(listed, "a\nb\nc\n");
    // The directory says where the next header begins, so the descriptor of the large file is as long as it should be.
    let mut file = File::open(&unpacking.archive).unwrap();
    let mut found = [0; 28];
    file.seek(SeekFrom::Start(large_descriptor_offset("a", 4 * GIB + 5)))
        .unwrap();
    file.read_exact(&mut found).unwrap();
    assert_eq!(found[..4], *b"PK\x07\x08");
    assert_eq!(found[8..16], (4 * GIB + 5).to_le_bytes());
    assert_eq!(found[24..], *b"PK\x03\x04");
}

/// Where the descriptor of a first, large member is: behind header, name, three extra fields and content.
fn large_descriptor_offset(name: &str, size: u64) -> u64 {
    30 + name.len() as u64 + 20 + 9 + 15 + size
}

#[test]
fn a_tar_has_files_beyond_8_gib() {
    let unpacking = made(&zeros(&[("a", 8 * GIB + 5), ("b", 3)]), Format::Tar);
    let listed = unpacking.run("tar", &["-tvf"]).content();
    let sizes: Vec<&str> = listed
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(sizes, ["8589934597", "3"]);
}

#[test]
fn a_zip_has_more_than_65535_members() {
    let mut backup = Backup::default();
    for number in 0..0x1_0010 {
        backup.add(format!("{number}"), metadata(0o600), Kind::Directory);
    }
    // As files: a directory each would be looked for at each.
    for entry in backup.entries.values_mut() {
        entry.kind = Kind::file(0, ContentHash([7; 32]), [].into());
    }
    let unpacking = made(&backup, Format::Zip);
    let script = "
import sys, zipfile
print(len(zipfile.ZipFile(sys.argv[1]).namelist()))";
    assert_eq!(unpacking.run("python3", &["-c", script]).content(), "65552\n");
}

#[test]
fn lengths_are_planned_without_content_whatever_they_are() {
    for (format, overhead) in [(Format::Zip, 0..400), (Format::Tar, 0..4096)] {
        for size in [u64::from(u32::MAX) - 1, u64::from(u32::MAX), 1 << 50] {
            let reader = zeros(&[("a", size)]).reader();
            let planned = planned_len(format, whole(&reader, format)).unwrap().unwrap();
            assert!(
                overhead.contains(&(planned - size)),
                "{format:?} {size} {planned}"
            );
        }
        let reader = zeros(&[("a", u64::MAX - 10)]).reader();
        assert!(planned_len(format, whole(&reader, format)).is_err());
        let reader = zeros(&[("a", u64::MAX / 2), ("b", u64::MAX / 2)]).reader();
        assert!(planned_len(format, whole(&reader, format)).is_err());
    }
    let reader = zeros(&[("a", 5)]).reader();
    assert_eq!(
        planned_len(Format::TarZst, whole(&reader, Format::TarZst)).unwrap(),
        None
    );
}
