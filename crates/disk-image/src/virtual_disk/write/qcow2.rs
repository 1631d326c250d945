//! qcow2 of compressed clusters, appended as they come. Tables are written to the file entry by entry.
//!
//! ```text
//! cluster 0   header, the parent's format and name
//! ...         level-1 table, then the table of the counts
//! ...         clusters: level-2 tables, counts, content, and those that compressed content is packed into
//! ```

mod counts;

use std::fmt;

use super::{Change, Out, Parent, is_zeros};
use crate::source::be_u64_at;
use crate::synthetic::{Disk, check_limit, put};
use crate::virtual_disk::{FileFormat, ParentLink, VirtualDisk};
use crate::{Error, Result};
use counts::Counts;

pub(super) const CLUSTER_BYTES: u64 = 1 << CLUSTER_BITS;
const CLUSTER_BITS: u32 = 16;
pub(super) const LIMIT_BYTES: u64 = 64 << 40;
const HEADER_BYTES: usize = 112;
const ENTRIES: u64 = CLUSTER_BYTES / 8;
const FIRST_LEVEL_AT: u64 = CLUSTER_BYTES;
const SECTOR_BYTES: u64 = 512;
/// In a compressed entry, sectors are counted from that bit on.
const SECTORS_SHIFT: u32 = 62 - (CLUSTER_BITS - 8);
const IS_COMPRESSED: u64 = 1 << 62;
/// The cluster is referred to once.
const COPIED: u64 = 1 << 63;
const IS_ZEROS: u64 = 1;
const ZSTD: u8 = 1;
const LEVEL: i32 = 3;
/// The feature that the kind of compression is told.
const COMPRESSION: u64 = 1 << 3;
const MAX_NAME_BYTES: usize = 1023;
const PARENT_FORMAT: u32 = 0xe279_2aca;

pub(super) struct Writing {
    out: Out,
    len_bytes: u64,
    parent: Option<VirtualDisk>,
    counts: Counts,
    /// Where the file ends so far: a multiple of clusters.
    end: u64,
    /// Where compressed content may go on, up to the end of its cluster.
    packed_end: u64,
    /// The cluster that is written in parts, and its content.
    partial: Option<(u64, Vec<u8>)>,
    compressor: zstd::bulk::Compressor<'static>,
    compressed: Vec<u8>,
}

impl Writing {
    pub fn create(out: Out, disk: &Disk, parent: Option<Parent>) -> Result<Self> {
        check_limit("qcow2", disk, LIMIT_BYTES)?;
        let clusters = disk.len_bytes.div_ceil(CLUSTER_BYTES);
        let first_level_entries = clusters.div_ceil(ENTRIES);
        let first_level_bytes = (first_level_entries * 8)
            .next_multiple_of(CLUSTER_BYTES)
            .max(CLUSTER_BYTES);
        let counts_at = FIRST_LEVEL_AT + first_level_bytes;
        let counts = Counts::of(counts_at, disk.len_bytes);
        let mut header = header(disk, first_level_entries as u32, &counts);
        if let Some(parent) = &parent {
            describe_parent(&mut header, &parent.link)?;
        }
        out.write(&header, 0)?;
        let end = counts_at + counts.table_bytes();
        let failed = |source| Error::Io {
            action: "compress",
            offset_bytes: 0,
            len_bytes: CLUSTER_BYTES,
            source,
        };
        let mut writing = Self {
            out,
            len_bytes: disk.len_bytes,
            parent: parent.map(|parent| parent.disk),
            counts,
            end,
            packed_end: end,
            partial: None,
            compressor: zstd::bulk::Compressor::new(LEVEL).map_err(failed)?,
            compressed: Vec::with_capacity(zstd::zstd_safe::compress_bound(CLUSTER_BYTES as usize)),
        };
        for cluster in 0..end / CLUSTER_BYTES {
            writing.count(cluster)?;
        }
        Ok(writing)
    }

    /// Takes a change within one cluster.
    pub fn change(&mut self, change: Change<'_>, at: u64) -> Result<()> {
        let cluster = at / CLUSTER_BYTES;
        let within = at % CLUSTER_BYTES;
        let is_whole = change.len_bytes() == self.cluster_len(cluster);
        let is_begun = self.partial.as_ref().is_some_and(|(begun, _)| *begun == cluster);
        if is_whole && !is_begun {
            return match change {
                Change::Data(bytes) if bytes.len() as u64 == CLUSTER_BYTES => self.put(cluster, bytes),
                Change::Data(bytes) => {
                    let mut content = bytes.to_vec();
                    content.resize(CLUSTER_BYTES as usize, 0);
                    self.put(cluster, &content)
                }
                Change::Zeros(_) => self.put_zeros(cluster),
            };
        }
        if !is_begun {
            self.flush()?;
            let content = self.parents(cluster)?;
            self.partial = Some((cluster, content));
        }
        if let Some((_, content)) = &mut self.partial {
            let range = within as usize..(within + change.len_bytes()) as usize;
            match change {
                Change::Data(bytes) => content[range].copy_from_slice(bytes),
                Change::Zeros(_) => content[range].fill(0),
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.out.set_len(self.end)?;
        self.out.sync()
    }

    /// Writes the cluster that was written in parts.
    fn flush(&mut self) -> Result<()> {
        match self.partial.take() {
            Some((cluster, content)) => self.put(cluster, &content),
            None => Ok(()),
        }
    }

    /// How much of a cluster lies on the disk.
    fn cluster_len(&self, cluster: u64) -> u64 {
        (self.len_bytes - cluster * CLUSTER_BYTES).min(CLUSTER_BYTES)
    }

    /// What the parent has in a cluster's place.
    fn parents(&self, cluster: u64) -> Result<Vec<u8>> {
        let mut content = vec![0; CLUSTER_BYTES as usize];
        if let Some(parent) = &self.parent {
            let at = cluster * CLUSTER_BYTES;
            let there = parent.len_bytes().saturating_sub(at);
            let there = there.min(self.cluster_len(cluster)) as usize;
            if there > 0 {
                parent.read_at(&mut content[..there], at)?;
            }
        }
        Ok(content)
    }

    fn put_zeros(&mut self, cluster: u64) -> Result<()> {
        let Some(entry_at) = self.unwritten(cluster)? else {
            return Ok(());
        };
        self.out.write(&IS_ZEROS.to_be_bytes(), entry_at)
    }

    fn put(&mut self, cluster: u64, content: &[u8]) -> Result<()> {
        if is_zeros(content) {
            return self.put_zeros(cluster);
        }
        let entry_at = match self.unwritten(cluster)? {
            Some(entry_at) => entry_at,
            None => self.second_level(cluster)?,
        };
        self.compressed.clear();
        let compressed = self.compressor.compress_to_buffer(content, &mut self.compressed);
        let entry = match compressed {
            Ok(len) if (len as u64) < CLUSTER_BYTES => self.put_compressed(len as u64)?,
            _ => {
                let at = self.append()?;
                self.out.write(content, at)?;
                at | COPIED
            }
        };
        self.out.write(&entry.to_be_bytes(), entry_at)
    }

    /// Packs the compressed content behind the last, and returns the entry for it.
    fn put_compressed(&mut self, len: u64) -> Result<u64> {
        let room = self.packed_end.next_multiple_of(CLUSTER_BYTES) - self.packed_end;
        let is_last = self.packed_end + room == self.end;
        if len > room && !is_last {
            self.packed_end = self.end;
        }
        let (at, after) = (self.packed_end, self.packed_end + len);
        self.out.write(&self.compressed, at)?;
        self.end = self.end.max(after.next_multiple_of(CLUSTER_BYTES));
        self.packed_end = after;
        for cluster in at / CLUSTER_BYTES..=(after - 1) / CLUSTER_BYTES {
            self.count(cluster)?;
        }
        let further = (after - 1) / SECTOR_BYTES - at / SECTOR_BYTES;
        Ok(at | further << SECTORS_SHIFT | IS_COMPRESSED)
    }

    /// The place of a cluster's entry, to which nothing was written yet; `None` where there is no table for it, and none
    /// is needed to say that it is zeros.
    fn unwritten(&mut self, cluster: u64) -> Result<Option<u64>> {
        let first_at = FIRST_LEVEL_AT + cluster / ENTRIES * 8;
        let has_table = be_u64_at(&self.out.entry::<8>(first_at)?, 0) != 0;
        if !has_table && self.parent.is_none() {
            return Ok(None);
        }
        let entry_at = self.second_level(cluster)?;
        let entry = be_u64_at(&self.out.entry::<8>(entry_at)?, 0);
        if entry & !IS_ZEROS != 0 {
            return Err(Error::Misplaced {
                offset_bytes: cluster * CLUSTER_BYTES,
            });
        }
        Ok(Some(entry_at))
    }

    /// The place of a cluster's entry, in a table that comes to be where there is none.
    fn second_level(&mut self, cluster: u64) -> Result<u64> {
        let first_at = FIRST_LEVEL_AT + cluster / ENTRIES * 8;
        let mut table_at = be_u64_at(&self.out.entry::<8>(first_at)?, 0) & !COPIED;
        if table_at == 0 {
            table_at = self.append()?;
            self.out.write(&(table_at | COPIED).to_be_bytes(), first_at)?;
        }
        Ok(table_at + cluster % ENTRIES * 8)
    }

    /// A new cluster.
    fn append(&mut self) -> Result<u64> {
        let at = self.end;
        self.end += CLUSTER_BYTES;
        self.count(at / CLUSTER_BYTES)?;
        Ok(at)
    }

    /// Counts a reference to a cluster of the file, and to those that come to be for counting.
    fn count(&mut self, cluster: u64) -> Result<()> {
        let mut next = Some(cluster);
        while let Some(cluster) = next {
            next = self.counts.count(cluster, &self.out, &mut self.end)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing")
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

fn header(disk: &Disk, first_level_entries: u32, counts: &Counts) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    put(&mut header, 0, b"QFI\xfb");
    put(&mut header, 4, &3u32.to_be_bytes());
    put(&mut header, 20, &CLUSTER_BITS.to_be_bytes());
    put(&mut header, 24, &disk.len_bytes.to_be_bytes());
    put(&mut header, 36, &first_level_entries.to_be_bytes());
    put(&mut header, 40, &FIRST_LEVEL_AT.to_be_bytes());
    put(&mut header, 48, &counts.table_at().to_be_bytes());
    let counts_clusters = (counts.table_bytes() / CLUSTER_BYTES) as u32;
    put(&mut header, 56, &counts_clusters.to_be_bytes());
    put(&mut header, 72, &COMPRESSION.to_be_bytes());
    // Counts have 16 bits.
    put(&mut header, 96, &4u32.to_be_bytes());
    put(&mut header, 100, &(HEADER_BYTES as u32).to_be_bytes());
    header[104] = ZSTD;
    header
}

/// Adds to a header the parent's format and name, and the end of the extensions.
fn describe_parent(header: &mut Vec<u8>, link: &ParentLink) -> Result<()> {
    let format: &[u8] = match link.format {
        FileFormat::Raw => b"raw",
        FileFormat::Vhd => b"vpc",
        FileFormat::Vhdx => b"vhdx",
        FileFormat::Qcow2 => b"qcow2",
    };
    let name = link.names.first().map_or("", String::as_str).as_bytes();
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(Error::Unsupported {
            format: "qcow2",
            feature: format!("a parent's name of {} bytes", name.len()),
        });
    }
    header.extend(PARENT_FORMAT.to_be_bytes());
    header.extend((format.len() as u32).to_be_bytes());
    header.extend(format);
    header.resize(header.len().next_multiple_of(8), 0);
    header.extend([0; 8]);
    let name_at = header.len() as u64;
    header.extend(name);
    put(header, 8, &name_at.to_be_bytes());
    put(header, 16, &(name.len() as u32).to_be_bytes());
    Ok(())
}
