//! The master file table: finding records, and attributes that are spread over several.
//!
//! An attribute list says where the parts are. Its entries: 0 type (u32), 4 length (u16), 6 length of the name in units (u8), 7 its offset
//! (u8), 8 first VCN (u64), 16 record (48 bits) and sequence number.

use std::ops::Range;

use super::Boot;
use super::data::{Data, Run, clusters_of, read_runs};
use super::record::{Attribute, AttributeKind, Record};
use crate::source::{u16_at, u32_at, u64_at};
use crate::volume::reader::Reader;
use crate::{Error, Result};

const STRUCTURE: &str = "NTFS attribute list";
/// The most that Windows makes.
const MAX_LIST_BYTES: u64 = 256 << 10;
/// The record's number in a reference; above it is the sequence number.
pub const RECORD_MASK: u64 = (1 << 48) - 1;

/// The table.
pub struct Mft<'a> {
    reader: Reader<'a>,
    boot: Boot,
    runs: Vec<Run>,
}

impl<'a> Mft<'a> {
    /// Finds all of its parts.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they don't make a whole.
    pub fn open(reader: &Reader<'a>, boot: &Boot) -> Result<Self> {
        let at = boot.mft_cluster * boot.cluster_bytes;
        let first = Record::parse(at, reader.read("NTFS record", at, boot.record_bytes)?)?;
        let mut mft = Self {
            reader: *reader,
            boot: boot.clone(),
            runs: Vec::new(),
        };
        let own = first.attributes(AttributeKind::Data, &[])?;
        let own = own
            .iter()
            .find(|part| part.extent().is_ok_and(|extent| extent.0 == 0));
        let own = own.ok_or_else(|| Error::damaged("NTFS record", at, "the table has no content"))?;
        mft.runs = own.runs(boot.clusters)?;
        // Each further part lies in a record that those before it tell the place of.
        for (number, vcn) in mft.parts(&first, AttributeKind::Data, &[])?.unwrap_or_default() {
            if vcn > 0 {
                let more = mft.part(number, AttributeKind::Data, &[], vcn)?;
                append(&mut mft.runs, more)?;
            }
        }
        Ok(mft)
    }

    /// The boot sector.
    pub fn boot(&self) -> &Boot {
        &self.boot
    }

    /// The volume.
    pub fn reader(&self) -> &Reader<'a> {
        &self.reader
    }

    /// Its own clusters.
    pub(super) fn clusters(&self) -> impl Iterator<Item = Range<u64>> {
        clusters_of(&self.runs)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is none of that number, or it was not written as a whole.
    pub fn record(&self, number: u64) -> Result<Record> {
        let at = number.saturating_mul(self.boot.record_bytes);
        let bytes = read_runs(&self.runs, &self.reader, &self.boot, at, self.boot.record_bytes)?;
        Record::parse(at, bytes)
    }

    /// The content of an attribute, wherever its parts are.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they don't make a whole.
    pub fn data(&self, record: &Record, kind: AttributeKind, name: &[u16]) -> Result<Option<Data>> {
        let Some(parts) = self.parts(record, kind, name)? else {
            let own = record.attributes(kind, name)?;
            return own.first().map(|first| self.whole(first, Vec::new())).transpose();
        };
        let Some((first, _)) = parts.first() else {
            return Ok(None);
        };
        let first = self.record(*first)?;
        let own = first.attributes(kind, name)?;
        let own = own
            .iter()
            .find(|part| part.is_resident() || part.extent().is_ok_and(|extent| extent.0 == 0));
        let own = own.ok_or_else(|| Error::damaged(STRUCTURE, 0, "an attribute has no beginning"))?;
        let mut more = Vec::new();
        for (number, vcn) in parts.iter().filter(|(_, vcn)| *vcn > 0) {
            append(&mut more, self.part(*number, kind, name, *vcn)?)?;
        }
        self.whole(own, more).map(Some)
    }

    /// The values of all unnamed attributes of a kind that lies in records only.
    pub(super) fn values(&self, record: &Record, kind: AttributeKind) -> Result<Vec<Vec<u8>>> {
        let own = |record: &Record| -> Result<Vec<Vec<u8>>> {
            let attributes = record.attributes(kind, &[])?;
            attributes.iter().map(|own| Ok(own.value()?.to_vec())).collect()
        };
        let Some(mut parts) = self.parts(record, kind, &[])? else {
            return own(record);
        };
        parts.sort_unstable();
        parts.dedup();
        let mut values = Vec::new();
        for (number, _) in parts {
            values.extend(own(&self.record(number)?)?);
        }
        Ok(values)
    }

    fn whole(&self, first: &Attribute, more: Vec<Run>) -> Result<Data> {
        if first.is_resident() {
            return Ok(Data::Resident(first.value()?.to_vec()));
        }
        let (vcn, len_bytes, written_bytes) = first.extent()?;
        let mut runs = first.runs(self.boot.clusters)?;
        if vcn != 0 {
            return Err(Error::damaged(STRUCTURE, 0, "an attribute has no beginning"));
        }
        append(&mut runs, more)?;
        Ok(Data::Runs {
            runs,
            len_bytes,
            written_bytes,
            is_compressed: first.is_compressed(),
            is_encrypted: first.is_encrypted(),
        })
    }

    /// The runs of the part that begins with a VCN.
    fn part(&self, number: u64, kind: AttributeKind, name: &[u16], vcn: u64) -> Result<Vec<Run>> {
        let record = self.record(number)?;
        for part in record.attributes(kind, name)? {
            if part.extent()?.0 == vcn {
                return part.runs(self.boot.clusters);
            }
        }
        Err(Error::damaged(
            STRUCTURE,
            0,
            "it leads to a record without the attribute",
        ))
    }

    /// The records that have parts of an attribute, with the VCN that each begins with; `None` if there is no list.
    fn parts(&self, record: &Record, kind: AttributeKind, name: &[u16]) -> Result<Option<Vec<(u64, u64)>>> {
        let lists = record.attributes(AttributeKind::List, &[])?;
        let Some(list) = lists.first() else {
            return Ok(None);
        };
        let list = self.whole(list, Vec::new())?;
        let len_bytes = list.written_bytes();
        let fail = || Error::damaged(STRUCTURE, 0, "it makes no sense");
        if len_bytes > MAX_LIST_BYTES {
            return Err(fail());
        }
        let list = list.read(&self.reader, &self.boot, 0, len_bytes)?;
        let mut parts = Vec::new();
        let mut rest = &list[..];
        while !rest.is_empty() {
            let entry_bytes = rest.get(..26).map_or(0, |head| usize::from(u16_at(head, 4)));
            let entry = rest
                .get(..entry_bytes)
                .filter(|entry| entry.len() >= 26)
                .ok_or_else(fail)?;
            let (units, at) = (usize::from(entry[6]), usize::from(entry[7]));
            let own = if units == 0 {
                Some(&[][..])
            } else {
                entry.get(at..at + units * 2)
            };
            let own = own.ok_or_else(fail)?.chunks_exact(2).map(|unit| u16_at(unit, 0));
            if u32_at(entry, 0) == kind as u32 && own.eq(name.iter().copied()) {
                parts.push((u64_at(entry, 16) & RECORD_MASK, u64_at(entry, 8)));
            }
            rest = &rest[entry_bytes..];
        }
        Ok(Some(parts))
    }
}

fn append(runs: &mut Vec<Run>, more: Vec<Run>) -> Result<()> {
    let follows = match (runs.last(), more.first()) {
        (Some(last), Some(next)) => last.vcns.end == next.vcns.start,
        _ => true,
    };
    if !follows {
        return Err(Error::damaged(
            STRUCTURE,
            0,
            "the parts of an attribute don't follow each other",
        ));
    }
    runs.extend(more);
    Ok(())
}
