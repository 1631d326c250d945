//! The watermark: how far, in manifest order, a growing tree may have been touched.
//!
//! It is written before each directory is touched and so survives the process, but not a power loss (nothing is
//! synced). The file has two slots of 2 MiB that are written in turn, so that one is always whole:
//! sequence number (u64), length (u32), path, and the first 8 bytes of the BLAKE3 of all that; little endian.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use file_tree::{Access, Dir};
use manifest::MAX_PATH_BYTES;

use crate::error::{During as _, Result};

const SLOT_BYTES: u64 = 2 << 20;
const HEAD_BYTES: usize = 12;
const CHECK_BYTES: usize = 8;

/// An open watermark file.
#[derive(Debug)]
pub(crate) struct Watermark {
    file: File,
    sequence: u64,
    buffer: Vec<u8>,
}

impl Watermark {
    /// Creates the file, in place of what is there.
    pub fn create(dir: &Dir, name: &str) -> Result<Self> {
        crate::durable::remove(dir, name.as_bytes())?;
        let file = dir.create_file(name.as_bytes(), 0o600).during("create", name)?;
        Ok(Self {
            file,
            sequence: 0,
            buffer: Vec::new(),
        })
    }

    /// Says that `path` is about to be touched, and nothing after it has been.
    pub fn raise(&mut self, path: &[u8]) -> Result<()> {
        self.sequence += 1;
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.sequence.to_le_bytes());
        let len = u32::try_from(path.len()).expect("paths in a backup are at most 1 MiB long");
        self.buffer.extend_from_slice(&len.to_le_bytes());
        self.buffer.extend_from_slice(path);
        let check = check(&self.buffer);
        self.buffer.extend_from_slice(&check);
        let offset_bytes = (self.sequence % 2) * SLOT_BYTES;
        self.file
            .write_all_at(&self.buffer, offset_bytes)
            .during("write", "watermark")
    }

    /// Reads the path of the highest valid slot; `None` if nothing has been touched.
    pub fn read(dir: &Dir, name: &str) -> Result<Option<Box<[u8]>>> {
        let file = match dir.open_file(name.as_bytes(), Access::Read) {
            Err(error) if error.is_not_found() => return Ok(None),
            opened => opened.during("open", name)?,
        };
        let slots = [read_slot(&file, 0)?, read_slot(&file, SLOT_BYTES)?];
        Ok(slots
            .into_iter()
            .flatten()
            .max_by_key(|slot| slot.0)
            .map(|slot| slot.1))
    }
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}

fn read_slot(file: &File, offset_bytes: u64) -> Result<Option<(u64, Box<[u8]>)>> {
    let mut head = [0; HEAD_BYTES];
    if !read_fully(file, &mut head, offset_bytes)? {
        return Ok(None);
    }
    let (sequence, len) = head.split_at(8);
    let sequence = u64::from_le_bytes(sequence.try_into().expect("8 bytes"));
    let len = u32::from_le_bytes(len.try_into().expect("4 bytes")) as usize;
    if sequence == 0 || len > MAX_PATH_BYTES {
        return Ok(None);
    }
    let mut whole = vec![0; HEAD_BYTES + len + CHECK_BYTES];
    if !read_fully(file, &mut whole, offset_bytes)? {
        return Ok(None);
    }
    let (body, found) = whole.split_at(HEAD_BYTES + len);
    Ok((found == check(body)).then(|| (sequence, body[HEAD_BYTES..].into())))
}

/// Whether the buffer could be filled.
fn read_fully(file: &File, buffer: &mut [u8], offset_bytes: u64) -> Result<bool> {
    match file.read_exact_at(buffer, offset_bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.during("read", "watermark").map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open(temp.path()).unwrap();
        (temp, dir)
    }

    #[test]
    fn the_last_path_is_found_again() {
        let (_temp, dir) = scratch();
        assert_eq!(Watermark::read(&dir, "w").unwrap(), None);
        let mut watermark = Watermark::create(&dir, "w").unwrap();
        assert_eq!(Watermark::read(&dir, "w").unwrap(), None);
        for path in [&b""[..], b"a", b"a/b", &[b'x'; 5000], b"z"] {
            watermark.raise(path).unwrap();
            assert_eq!(Watermark::read(&dir, "w").unwrap().as_deref(), Some(path));
        }
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let (temp, dir) = scratch();
        let mut watermark = Watermark::create(&dir, "w").unwrap();
        watermark.raise(b"first").unwrap();
        watermark.raise(b"second").unwrap();
        let file = File::options().write(true).open(temp.path().join("w")).unwrap();
        file.write_all_at(b"X", 14).unwrap();
        assert_eq!(
            Watermark::read(&dir, "w").unwrap().as_deref(),
            Some(&b"first"[..])
        );
    }
}
