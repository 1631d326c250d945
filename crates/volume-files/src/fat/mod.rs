//! FAT12, FAT16 and FAT32 (Microsoft, "FAT: General Overview of On-Disk Format"): directories of entries with 32 bytes.
//!
//! ```text
//! offset  size  field of a short entry         offset  size  field of a long entry
//! 0       11    name and extension             0       1     number from 1; 0x40 is the last, which comes first
//! 11      1     attributes                     1       10    5 units of the name
//! 12      1     8 name, 16 extension in        11      1     0x0f
//!               small letters                  13      1     checksum of the short name
//! 20      2     first cluster, high; FAT32     14      12    6 units
//! 22      2     time                           28      4     2 units
//! 24      2     date
//! 26      2     first cluster, low
//! 28      4     size
//! ```
//! A short name begins with 0 behind the last entry, with 0xe5 where it was deleted, with 5 for 0xe5. Bytes of short names that are not
//! ASCII depend on the system that wrote them, and stay what they are.

mod chain;
mod names;

pub(crate) use chain::{Chain, Clusters, Layout, dos_time};

use disk_image::volume::fat::{Boot, entry_bits};
use disk_image::volume::{FileSystem, Reader};
use disk_image::{u16_at, u32_at};

use crate::content::{Each, Outflow};
use crate::files::{About, Kind, Letters, Names, Node, Structure};
use crate::{Error, Result};

use names::LongName;

const CONTENT: &str = "FAT file";
const DIRECTORY: &str = "FAT directory";
/// Windows makes no larger ones.
const MAX_DIRECTORY_BYTES: u64 = 2 << 20;
const ENTRY_BYTES: usize = 32;
const READ_ONLY: u8 = 0x01;
const LABEL: u8 = 0x08;
const IS_DIRECTORY: u8 = 0x10;
const LONG_NAME: u8 = 0x0f;
const DELETED: u8 = 0xe5;

/// An open FAT.
pub(crate) struct Fat<'a> {
    reader: Reader<'a>,
    boot: Boot,
    layout: Layout,
}

impl<'a> Fat<'a> {
    pub(crate) fn open(reader: Reader<'a>) -> Result<Self> {
        let boot = Boot::read(&reader)?;
        let layout = Layout {
            table_at: boot.tables_at,
            entry_bits: entry_bits(boot.kind),
            clusters: boot.clusters,
            first_at: boot.cluster_at(2),
            cluster_bytes: boot.cluster_bytes,
        };
        Ok(Self { reader, boot, layout })
    }

    /// All of a directory.
    fn directory(&self, chain: &Chain) -> Result<Vec<u8>> {
        if chain.is_root && self.boot.kind != FileSystem::Fat32 {
            return Ok(self
                .reader
                .read(DIRECTORY, self.boot.root_at, self.boot.root_bytes)?);
        }
        let mut bytes = Vec::new();
        for run in Clusters::new(&self.reader, &self.layout, chain) {
            let run = run?;
            let len_bytes = run.end - run.start;
            if bytes.len() as u64 + len_bytes > MAX_DIRECTORY_BYTES.max(self.layout.cluster_bytes) {
                return Err(Error::damaged(DIRECTORY, run.start, "it is too large"));
            }
            bytes.extend(self.reader.read(DIRECTORY, run.start, len_bytes)?);
        }
        Ok(bytes)
    }

    fn chain(&self, entry: &[u8]) -> Chain {
        let high = match self.boot.kind {
            FileSystem::Fat32 => u16_at(entry, 20),
            _ => 0,
        };
        let is_directory = entry[11] & IS_DIRECTORY != 0;
        let len_bytes = u64::from(u32_at(entry, 28));
        Chain {
            first: u64::from(high) << 16 | u64::from(u16_at(entry, 26)),
            len_bytes: if is_directory { 0 } else { len_bytes },
            written_bytes: len_bytes,
            is_contiguous: false,
            is_directory,
            is_root: false,
            is_read_only: entry[11] & READ_ONLY != 0,
            modified_secs: dos_time(u16_at(entry, 24), u16_at(entry, 22)),
        }
    }
}

impl Structure for Fat<'_> {
    fn letters(&self) -> Letters {
        Letters::AreTheSame
    }

    fn root(&self) -> Node {
        Node::Chain(Chain::root(self.boot.root_cluster))
    }

    fn names(&self, directory: Node) -> Result<Names> {
        let bytes = self.directory(&chain_of(directory)?)?;
        let mut names = Names {
            found: Vec::new(),
            read_bytes: bytes.len() as u64,
        };
        let mut long = LongName::default();
        for entry in bytes.chunks_exact(ENTRY_BYTES).take_while(|entry| entry[0] != 0) {
            if entry[0] == DELETED {
                long = LongName::default();
            } else if entry[11] & 0x3f == LONG_NAME {
                long.add(entry);
            } else {
                let name = std::mem::take(&mut long).finish(entry);
                if entry[11] & LABEL == 0 && name != b"." && name != b".." {
                    names.found.push((name.into(), Node::Chain(self.chain(entry))));
                }
            }
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

/// The chain behind a node of a FAT or exFAT.
pub(crate) fn chain_of(node: Node) -> Result<Chain> {
    match node {
        Node::Chain(chain) => Ok(chain),
        _ => Err(Error::damaged(DIRECTORY, 0, "it is none")),
    }
}

/// Hands on the content of a file.
pub(crate) fn pour(
    reader: &Reader,
    layout: &Layout,
    structure: &'static str,
    chain: &Chain,
    each: Each<'_>,
) -> Result<()> {
    let mut out = Outflow::new(reader, structure, chain.len_bytes, each);
    let written_bytes = chain.written_bytes.min(chain.len_bytes);
    if written_bytes > 0 {
        for run in Clusters::new(reader, layout, chain) {
            let run = run?;
            let rest = written_bytes - out.at();
            out.data(run.start, (run.end - run.start).min(rest))?;
            if out.at() >= written_bytes {
                break;
            }
        }
    }
    if out.at() < written_bytes {
        return Err(Error::damaged(structure, 0, "its chain is too short"));
    }
    out.hole_to(u64::MAX)
}

impl Chain {
    /// What is known of it.
    pub(crate) fn about(&self) -> About {
        let mode = if self.is_directory { 0o755 } else { 0o644 };
        About {
            kind: if self.is_directory {
                Kind::Directory
            } else {
                Kind::File
            },
            len_bytes: if self.is_directory { 0 } else { self.len_bytes },
            mode: if self.is_read_only && !self.is_directory {
                mode & 0o555
            } else {
                mode
            },
            owner: None,
            modified: manifest::Timestamp {
                secs: self.modified_secs,
                nanos: 0,
            },
        }
    }
}
