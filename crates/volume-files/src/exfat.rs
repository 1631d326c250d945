//! exFAT (Microsoft, "exFAT file system specification", 6 and 7): sets of directory entries with 32 bytes.
//!
//! ```text
//! offset  size  0x85: file                0xc0: stream                    0xc1: part of the name
//! 1       1     entries that follow       flags: 2 is a chain without     flags
//!                                         entries in the table
//! 2                                                                       15 units
//! 3       1                               length of the name in units
//! 4       2     attributes
//! 8       8                               size that was written
//! 12      4     time and date of change
//! 20      4                               first cluster
//! 21      1     0 to 199, by 10 ms
//! 23      1     zone: 0x80 is known, in
//!               quarters of an hour
//! 24      8                               size
//! ```
//! The first byte of an entry is 0 behind the last one, and without its highest bit where it is not in use.

use disk_image::volume::Reader;
use disk_image::volume::exfat::Boot;
use disk_image::{u16_at, u32_at, u64_at};

use crate::content::Each;
use crate::fat::{Chain, Clusters, Layout, chain_of, dos_time, pour};
use crate::files::{About, Letters, Names, Node, Structure};
use crate::text::utf8;
use crate::{Error, Result};

const CONTENT: &str = "exFAT file";
const DIRECTORY: &str = "exFAT directory";
/// Directories are no larger than that (7.4).
const MAX_DIRECTORY_BYTES: u64 = 256 << 20;
const ENTRY_BYTES: usize = 32;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xc0;
const NAME: u8 = 0xc1;
const READ_ONLY: u16 = 0x01;
const IS_DIRECTORY: u16 = 0x10;
const NO_TABLE: u8 = 2;

/// An open exFAT.
pub(crate) struct ExFat<'a> {
    reader: Reader<'a>,
    root: u64,
    layout: Layout,
}

impl<'a> ExFat<'a> {
    pub(crate) fn open(reader: Reader<'a>) -> Result<Self> {
        let boot = Boot::open(&reader)?;
        let layout = Layout {
            table_at: boot.table_at,
            entry_bits: 32,
            clusters: boot.clusters,
            first_at: boot.heap_at,
            cluster_bytes: boot.cluster_bytes,
        };
        Ok(Self {
            reader,
            root: boot.root,
            layout,
        })
    }

    fn directory(&self, chain: &Chain) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for run in Clusters::new(&self.reader, &self.layout, chain) {
            let run = run?;
            let len_bytes = run.end - run.start;
            if bytes.len() as u64 + len_bytes > MAX_DIRECTORY_BYTES {
                return Err(Error::damaged(DIRECTORY, run.start, "it is too large"));
            }
            bytes.extend(self.reader.read(DIRECTORY, run.start, len_bytes)?);
        }
        Ok(bytes)
    }
}

impl Structure for ExFat<'_> {
    fn letters(&self) -> Letters {
        Letters::AreTheSame
    }

    fn root(&self) -> Node {
        Node::Chain(Chain::root(self.root))
    }

    fn names(&self, directory: Node) -> Result<Names> {
        let bytes = self.directory(&chain_of(directory)?)?;
        let entries: Vec<&[u8]> = bytes
            .chunks_exact(ENTRY_BYTES)
            .take_while(|entry| entry[0] != 0)
            .collect();
        let mut names = Names {
            found: Vec::new(),
            read_bytes: bytes.len() as u64,
        };
        for (at, file) in entries.iter().enumerate().filter(|(_, entry)| entry[0] == FILE) {
            let followers = entries.get(at + 1..at + 1 + usize::from(file[1]));
            let set = followers.and_then(|followers| read_set(file, followers));
            let set = set.ok_or_else(|| Error::damaged(DIRECTORY, 0, "a set of entries is not whole"))?;
            names.found.push(set);
        }
        Ok(names)
    }

    fn about(&self, node: Node) -> Result<About> {
        Ok(chain_of(node)?.about())
    }

    fn content(&self, file: Node, each: Each<'_>) -> Result<()> {
        pour(&self.reader, &self.layout, CONTENT, &chain_of(file)?, each)
    }
}

/// Reads a file's entries.
fn read_set(file: &[u8], followers: &[&[u8]]) -> Option<(Box<[u8]>, Node)> {
    let stream = followers.first().filter(|entry| entry[0] == STREAM)?;
    let parts = followers.iter().filter(|entry| entry[0] == NAME);
    let units: Vec<u16> = parts
        .flat_map(|part| (2..ENTRY_BYTES).step_by(2).map(|place| u16_at(part, place)))
        .collect();
    let name = units
        .get(..usize::from(stream[3]))
        .filter(|name| !name.is_empty())?;
    let attributes = u16_at(file, 4);
    let chain = Chain {
        first: u32_at(stream, 20).into(),
        len_bytes: u64_at(stream, 24),
        written_bytes: u64_at(stream, 8),
        is_contiguous: stream[1] & NO_TABLE != 0,
        is_directory: attributes & IS_DIRECTORY != 0,
        is_root: false,
        is_read_only: attributes & READ_ONLY != 0,
        modified_secs: modified_secs(file),
    };
    Some((utf8(name).into(), Node::Chain(chain)))
}

fn modified_secs(file: &[u8]) -> i64 {
    const IS_KNOWN: u8 = 0x80;
    let local = dos_time(u16_at(file, 14), u16_at(file, 12)) + i64::from(file[21].min(199) / 100);
    let zone = file[23];
    if zone & IS_KNOWN == 0 {
        return local;
    }
    // Seven bits with a sign.
    let quarters = i64::from(((zone << 1) as i8) >> 1);
    local - quarters * 900
}
