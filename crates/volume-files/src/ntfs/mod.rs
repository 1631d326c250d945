//! NTFS (structures as in ntfs-3g's `layout.h`): records, directories as indexes, content in runs of clusters.
//!
//! Alternate streams, short names of DOS, and the file system's own files are left out. Standard information: 8 mtime in
//! 100 ns since 1601, 0x20 attributes: 1 read-only, 4 system, 0x1000 offline, 0x400000 kept elsewhere.

mod link;

use disk_image::volume::Reader;
use disk_image::volume::ntfs::index::each_name;
use disk_image::volume::ntfs::{AttributeKind, Boot, Data, Mft, RECORD_MASK, Record};
use disk_image::{u32_at, u64_at};
use manifest::Timestamp;

use crate::content::{Each, Outflow};
use crate::files::{About, Kind, Letters, Names, Node, Structure};
use crate::text::utf8;
use crate::{Error, Result};

const CONTENT: &str = "NTFS file";
const ROOT_RECORD: u64 = 5;
/// Below are the file system's own.
const FIRST_USER_RECORD: u64 = 16;
const DOS_NAME: u8 = 2;
const READ_ONLY: u32 = 0x1;
const SYSTEM: u32 = 0x4;
const ELSEWHERE: u32 = 0x40_1000;

/// An open NTFS.
pub(crate) struct Ntfs<'a> {
    mft: Mft<'a>,
}

/// What a record says of its file at once.
struct Information {
    attributes: u32,
    modified: Timestamp,
}

impl<'a> Ntfs<'a> {
    pub(crate) fn open(reader: Reader<'a>) -> Result<Self> {
        Ok(Self {
            mft: Mft::open(&reader, &Boot::read(&reader)?)?,
        })
    }

    fn record(&self, node: Node) -> Result<Record> {
        let Node::Record(reference) = node else {
            return Err(Error::damaged("NTFS record", 0, "it is none"));
        };
        let (number, sequence) = (reference & RECORD_MASK, reference >> 48);
        let record = self.mft.record(number)?;
        if !record.is_in_use() || (number != ROOT_RECORD && u64::from(record.sequence()) != sequence) {
            return Err(Error::damaged(
                "NTFS record",
                number.saturating_mul(self.mft.boot().record_bytes),
                "it is no longer that of the file",
            ));
        }
        Ok(record)
    }

    fn data(&self, record: &Record) -> Result<Option<Data>> {
        Ok(self.mft.data(record, AttributeKind::Data, &[])?)
    }

    fn kind(&self, record: &Record, information: &Information, data: Option<&Data>) -> Result<Kind> {
        if let Some(reparse) = self.mft.data(record, AttributeKind::ReparsePoint, &[])? {
            let len_bytes = reparse.written_bytes().min(link::MAX_REPARSE_BYTES);
            let bytes = reparse.read(self.mft.reader(), self.mft.boot(), 0, len_bytes)?;
            match link::target(&bytes)? {
                link::Reparse::Link(target) => {
                    return Ok(Kind::Link {
                        target: target.into(),
                    });
                }
                link::Reparse::Elsewhere(reason) => return Ok(Kind::Unreadable { reason }),
                link::Reparse::Other => {}
            }
        }
        if record.is_directory() {
            return Ok(Kind::Directory);
        }
        if let Some(Data::Resident(bytes)) = data.filter(|_| information.attributes & SYSTEM != 0)
            && let Some(target) = link::interix(bytes)
        {
            return Ok(Kind::Link {
                target: target.into(),
            });
        }
        Ok(Kind::File)
    }
}

impl Structure for Ntfs<'_> {
    fn letters(&self) -> Letters {
        Letters::AreTheSame
    }

    fn root(&self) -> Node {
        Node::Record(ROOT_RECORD)
    }

    fn names(&self, directory: Node) -> Result<Names> {
        let record = self.record(directory)?;
        let mut found = Vec::new();
        let limit_bytes = self.mft.reader().len_bytes();
        let read_bytes = each_name(&self.mft, &record, limit_bytes, &mut |entry| {
            if entry.name_space != DOS_NAME && entry.reference & RECORD_MASK >= FIRST_USER_RECORD {
                found.push((utf8(&entry.units()).into(), Node::Record(entry.reference)));
            }
        })?;
        Ok(Names { found, read_bytes })
    }

    fn about(&self, node: Node) -> Result<About> {
        let record = self.record(node)?;
        let information = Information::read(&record)?;
        let data = self.data(&record)?;
        let kind = self.kind(&record, &information, data.as_ref())?;
        let mode = if kind == Kind::Directory { 0o755 } else { 0o644 };
        let is_read_only = kind == Kind::File && information.attributes & READ_ONLY != 0;
        Ok(About {
            len_bytes: match &kind {
                Kind::File => data.map_or(0, |data| data.len_bytes()),
                Kind::Link { target } => target.len() as u64,
                _ => 0,
            },
            kind,
            mode: if is_read_only { mode & 0o555 } else { mode },
            owner: None,
            modified: information.modified,
        })
    }

    fn content(&self, file: Node, each: Each<'_>) -> Result<()> {
        let record = self.record(file)?;
        if Information::read(&record)?.attributes & ELSEWHERE != 0 {
            return Err(Error::unsupported("a file whose content is kept elsewhere"));
        }
        let Some(data) = self.data(&record)? else {
            return Ok(());
        };
        let mut out = Outflow::new(self.mft.reader(), CONTENT, data.len_bytes(), each);
        let cluster_bytes = self.mft.boot().cluster_bytes;
        match data {
            Data::Resident(bytes) => out.bytes(&bytes),
            Data::Runs {
                is_compressed: true, ..
            } => Err(Error::unsupported("a file that NTFS has compressed")),
            Data::Runs {
                is_encrypted: true, ..
            } => Err(Error::unsupported("a file that NTFS has encrypted")),
            Data::Runs {
                runs, written_bytes, ..
            } => {
                for run in runs {
                    let end = run.vcns.end.saturating_mul(cluster_bytes);
                    let written_end = end.min(written_bytes);
                    if let Some(start) = run.start.filter(|_| written_end > out.at()) {
                        out.data(start * cluster_bytes, written_end - out.at())?;
                    }
                    out.hole_to(end)?;
                }
                if !out.is_complete() {
                    return Err(Error::damaged(
                        CONTENT,
                        0,
                        "a file has fewer clusters than content",
                    ));
                }
                Ok(())
            }
        }
    }
}

impl Information {
    fn read(record: &Record) -> Result<Self> {
        const SECS_TO_1970: i64 = 11_644_473_600;
        const PER_SEC: u64 = 10_000_000;
        let value = record.resident(AttributeKind::StandardInformation)?;
        let value = value.filter(|value| value.len() >= 0x24);
        let value = value.ok_or_else(|| Error::damaged("NTFS record", 0, "it has no times"))?;
        let modified = u64_at(value, 8);
        Ok(Self {
            attributes: u32_at(value, 0x20),
            modified: Timestamp {
                secs: (modified / PER_SEC) as i64 - SECS_TO_1970,
                nanos: (modified % PER_SEC) as u32 * 100,
            },
        })
    }
}
