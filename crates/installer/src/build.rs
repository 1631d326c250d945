//! A program as it is kept for installers: packed, with what is known of it.
//!
//! All that has to be known is read from the program's own bytes, in the one pass that packs it, since it can't be run here: it may be for
//! another processor.

use std::io::{Read, Write};
use std::path::PathBuf;

use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{Context, SHA256};

use crate::{Architecture, Error, Version};

/// By this a program of ours is known; its version follows, and a zero.
const MARK_BEGIN: &[u8] = b"\0perennial-build:";
/// The names of the versions of the C library that it needs begin so, each behind the zero that ends another text.
const GLIBC_BEGIN: &[u8] = b"\0GLIBC_2.";
/// What is looked for is no longer than this.
const LONGEST: usize = 64;
const PIECE_BYTES: usize = 1 << 20;
/// Offset of `e_machine` in an ELF file of 64 bits, little-endian.
const ELF_MACHINE: usize = 18;

/// The oldest version of the GNU C library that a program runs with: 2 and this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc(pub u32);

impl std::fmt::Display for Glibc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2.{}", self.0)
    }
}

/// What is known of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// What it runs on.
    pub architecture: Architecture,
    /// Its version.
    pub version: Version,
    /// What it needs of the C library; none if it is linked statically.
    pub glibc: Option<Glibc>,
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// A program that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// What is known of it.
    pub info: BuildInfo,
    /// Where it lies, packed.
    pub packed: PathBuf,
}

/// Packs a program with gzip and tells what it is.
pub fn pack(program: &mut impl Read, packed: &mut impl Write) -> Result<BuildInfo, Error> {
    let mut encoder = GzEncoder::new(packed, Compression::default());
    let mut digest = Context::new(&SHA256);
    let mut found = Found::default();
    let mut size_bytes = 0;
    // The end of the piece before stays in front of the next, as what is looked for may lie across.
    let mut buffer = vec![0; LONGEST + PIECE_BYTES];
    let mut kept = 0;
    loop {
        let len = fill(program, &mut buffer[kept..])?;
        let piece = &buffer[kept..kept + len];
        if size_bytes == 0 {
            found.machine = Some(machine(piece)?);
        }
        digest.update(piece);
        encoder.write_all(piece)?;
        size_bytes += len as u64;
        found.look_at(&buffer[..kept + len]);
        if len == 0 {
            break;
        }
        let end = kept + len;
        let begin = end.saturating_sub(LONGEST);
        buffer.copy_within(begin..end, 0);
        kept = end - begin;
    }
    encoder.finish()?.flush()?;
    Ok(BuildInfo {
        architecture: found
            .machine
            .ok_or(Error::NotABuild("this is an empty file and no program"))?,
        version: found
            .version
            .ok_or(Error::NotABuild("this is no program of Perennial"))?,
        glibc: found.glibc,
        size_bytes,
        sha256: HEXLOWER.encode(digest.finish().as_ref()),
    })
}

/// Reads until a buffer is full or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match from.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn machine(begin: &[u8]) -> Result<Architecture, Error> {
    const IS_64_BIT_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
    if !begin.starts_with(IS_64_BIT_LITTLE_ENDIAN) {
        return Err(Error::NotABuild("this is no program for 64-bit Linux"));
    }
    let machine = begin.get(ELF_MACHINE..ELF_MACHINE + 2);
    machine
        .and_then(|bytes| Architecture::of_elf(u16::from_le_bytes(bytes.try_into().ok()?)))
        .ok_or(Error::NotABuild(
            "this program is for neither x86-64 nor 64-bit Arm processors",
        ))
}

#[derive(Default)]
struct Found {
    machine: Option<Architecture>,
    version: Option<Version>,
    glibc: Option<Glibc>,
}

impl Found {
    fn look_at(&mut self, piece: &[u8]) {
        for rest in all_after(piece, MARK_BEGIN) {
            let end = rest.iter().take(LONGEST).position(|byte| *byte == 0);
            let text = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
            self.version = text.and_then(Version::parse).or(self.version.take());
        }
        for rest in all_after(piece, GLIBC_BEGIN) {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let text = std::str::from_utf8(&rest[..digits]).unwrap_or_default();
            // Names of versions end so. Cut off by the end of the piece, one is found again in the next.
            if matches!(rest.get(digits), Some(0 | b'.'))
                && let Ok(minor) = text.parse()
            {
                self.glibc = self.glibc.max(Some(Glibc(minor)));
            }
        }
    }
}

/// What follows each place of a text.
fn all_after<'a>(piece: &'a [u8], text: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    memchr::memmem::find_iter(piece, text).map(move |at| &piece[at + text.len()..])
}
