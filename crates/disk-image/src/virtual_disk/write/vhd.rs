//! Dynamic and differencing VHD: each block is appended when something of it is first written, its content on a multiple of
//! 4 KiB, its bitmap in the sector before.
//!
//! ```text
//! 0      footer, as at the end
//! 512    header
//! 1536   block table
//! ...    the parent's name, then the blocks
//! ```

use super::{Change, Out, Parent, check_parent, windows_name};
use crate::Result;
use crate::source::be_u32_at;
use crate::synthetic::vhd::{
    ABSENT, DIFFERENCING, DYNAMIC, FOOTER_BYTES, LIMIT_BYTES, TABLE_AT, checksum, footer, header,
};
use crate::synthetic::{ALIGN_BYTES, Disk, SECTOR_BYTES, check_limit, put};
use crate::virtual_disk::bits::BitOrder;
use crate::virtual_disk::{FileFormat, VirtualDisk};

pub(super) use crate::synthetic::vhd::BLOCK_BYTES;

/// What a byte of a bitmap stands for. A differencing disk has all of it or nothing, as libvhdi takes all bits behind the first
/// that is set in a byte for set.
const OCTET_BYTES: u64 = 8 * SECTOR_BYTES;

#[derive(Debug)]
pub(super) struct Writing {
    out: Out,
    footer: Vec<u8>,
    parent: Option<VirtualDisk>,
    len_bytes: u64,
    /// Where the file ends so far.
    end: u64,
}

impl Writing {
    pub fn create(out: Out, disk: &Disk, parent: Option<Parent>) -> Result<Self> {
        check_limit("VHD", disk, LIMIT_BYTES)?;
        // At most 2^20 of them, by the limit.
        let blocks = disk.len_bytes.div_ceil(BLOCK_BYTES);
        let table_bytes = (blocks * 4).next_multiple_of(SECTOR_BYTES);
        let kind = match parent {
            Some(_) => DIFFERENCING,
            None => DYNAMIC,
        };
        let footer = footer(disk, kind);
        let mut header = header(blocks as u32);
        let mut end = TABLE_AT + table_bytes;
        if let Some(parent) = &parent {
            let locator = describe_parent(&mut header, parent, end)?;
            out.write(&locator, end)?;
            end += (locator.len() as u64).next_multiple_of(SECTOR_BYTES);
        }
        out.write(&footer, 0)?;
        out.write(&header, FOOTER_BYTES as u64)?;
        out.write(&vec![0xff; table_bytes as usize], TABLE_AT)?;
        Ok(Self {
            out,
            footer,
            parent: parent.map(|parent| parent.disk),
            len_bytes: disk.len_bytes,
            end,
        })
    }

    /// Takes a change within one block.
    pub fn change(&mut self, change: Change<'_>, at: u64) -> Result<()> {
        let bitmap_at = self.block(at / BLOCK_BYTES)?;
        let (mut at, mut rest) = (at, change);
        while rest.len_bytes() > 0 {
            // Whole bytes of the bitmap at once, and what is in front of them or behind each by itself.
            let into_octet = at % OCTET_BYTES;
            let len = match into_octet {
                0 if rest.len_bytes() >= OCTET_BYTES => rest.len_bytes() / OCTET_BYTES * OCTET_BYTES,
                _ => OCTET_BYTES - into_octet,
            };
            let (part, later) = rest.split(len);
            if !part.len_bytes().is_multiple_of(OCTET_BYTES) {
                self.complete(at / OCTET_BYTES, bitmap_at)?;
            }
            self.put(part, at, bitmap_at)?;
            at += part.len_bytes();
            rest = later;
        }
        Ok(())
    }

    fn put(&self, change: Change<'_>, at: u64, bitmap_at: u64) -> Result<()> {
        let within = at % BLOCK_BYTES;
        let sectors = within / SECTOR_BYTES..(within + change.len_bytes()) / SECTOR_BYTES;
        let content_at = bitmap_at + SECTOR_BYTES + within;
        match self.out.set_bits(bitmap_at, sectors, BitOrder::HighFirst)? {
            true => self.out.overwrite(change, content_at),
            false => self.out.fill(change, content_at),
        }
    }

    /// The place of a block, which comes to be when it is first asked for.
    fn block(&mut self, block: u64) -> Result<u64> {
        let entry_at = TABLE_AT + block * 4;
        let mut entry = be_u32_at(&self.out.entry::<4>(entry_at)?, 0);
        if entry == ABSENT {
            let content_at = (self.end + SECTOR_BYTES).next_multiple_of(ALIGN_BYTES);
            self.end = content_at + BLOCK_BYTES;
            // Below 2^32, since the disk has at most 2040 GiB.
            entry = ((content_at - SECTOR_BYTES) / SECTOR_BYTES) as u32;
            self.out.write(&entry.to_be_bytes(), entry_at)?;
        }
        Ok(u64::from(entry) * SECTOR_BYTES)
    }

    /// Takes from the parent what of a byte of a bitmap is not there yet.
    fn complete(&self, octet: u64, bitmap_at: u64) -> Result<()> {
        let Some(parent) = &self.parent else {
            return Ok(());
        };
        let at = octet * OCTET_BYTES;
        let within = at % BLOCK_BYTES;
        let first = within / SECTOR_BYTES;
        let [bits] = self.out.entry::<1>(bitmap_at + first / 8)?;
        if bits != 0 {
            // It was completed when it was begun.
            return Ok(());
        }
        let mut content = [0; OCTET_BYTES as usize];
        let there = parent.len_bytes().min(self.len_bytes).saturating_sub(at);
        let there = there.min(OCTET_BYTES) as usize;
        parent.read_at(&mut content[..there], at)?;
        self.out.write(&content, bitmap_at + SECTOR_BYTES + within)?;
        self.out
            .set_bits(bitmap_at, first..first + 8, BitOrder::HighFirst)?;
        Ok(())
    }

    pub fn finish(self) -> Result<()> {
        self.out.write(&self.footer, self.end)?;
        self.out.sync()
    }
}

/// Puts into a header what it says of the parent, and returns the locator, which lies at an offset of the file.
fn describe_parent(header: &mut [u8], parent: &Parent, locator_at: u64) -> Result<Vec<u8>> {
    let id = check_parent("VHD", parent, FileFormat::Vhd)?;
    let name = windows_name(&parent.link);
    let plain = name.strip_prefix(".\\").unwrap_or(&name);
    put(header, 40, id.as_bytes());
    let made_secs = parent.disk.made_secs().unwrap_or_default();
    let since_2000 = made_secs.saturating_sub(crate::synthetic::vhd::EPOCH_SECS);
    put(
        header,
        56,
        &u32::try_from(since_2000).unwrap_or(u32::MAX).to_be_bytes(),
    );
    for (at, unit) in (64..64 + 510).step_by(2).zip(plain.encode_utf16()) {
        put(header, at, &unit.to_be_bytes());
    }
    let locator: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let space = (locator.len() as u32).next_multiple_of(SECTOR_BYTES as u32);
    put(header, 576, b"W2ru");
    put(header, 580, &space.to_be_bytes());
    put(header, 584, &(locator.len() as u32).to_be_bytes());
    put(header, 592, &locator_at.to_be_bytes());
    header[36..40].fill(0);
    let sum = checksum(header);
    put(header, 36, &sum.to_be_bytes());
    Ok(locator)
}
