//! VHD ("Virtual Hard Disk Image Format Specification", Microsoft, 2006). All fields are big endian.
//!
//! A dynamic disk is: copy of the footer, header, block allocation table, blocks, footer. A block is a bitmap of its sectors and
//! 2 MiB of content. The content is laid on multiples of 4 KiB, its bitmap into the sector right before, so that
//! it can be shared with the volume that it comes from. The bitmaps are all the same, so their pages can share one too.

use super::{ALIGN_BYTES, Disk, Piece, PieceContent, Plan, SECTOR_BYTES, check_limit, put};
use crate::Result;

pub(crate) const FOOTER_BYTES: usize = 512;
pub(crate) const HEADER_BYTES: usize = 1024;
pub(crate) const TABLE_AT: u64 = (FOOTER_BYTES + HEADER_BYTES) as u64;
pub(crate) const BLOCK_BYTES: u64 = 2 << 20;
/// What the table says of a block that is not there.
pub(crate) const ABSENT: u32 = u32::MAX;
/// 2040 GiB: the most that the specification and its readers allow.
pub(crate) const LIMIT_BYTES: u64 = 2040 << 30;
/// 2000-01-01, since when the format counts.
pub(crate) const EPOCH_SECS: u64 = 946_684_800;
/// Readers take the size from the geometry unless they know the program that made the disk. This one all know.
const CREATOR: &[u8; 4] = b"win ";

const FIXED: u32 = 2;
pub(crate) const DYNAMIC: u32 = 3;
pub(crate) const DIFFERENCING: u32 = 4;

pub(super) fn fixed(disk: &Disk) -> Result<Plan> {
    check_limit("VHD", disk, LIMIT_BYTES)?;
    Ok(Plan {
        len_bytes: disk.len_bytes + FOOTER_BYTES as u64,
        pieces: vec![
            Piece::disk(0, 0..disk.len_bytes),
            Piece::structure(disk.len_bytes, footer(disk, FIXED)),
        ],
    })
}

pub(super) fn dynamic(disk: &Disk) -> Result<Plan> {
    check_limit("VHD", disk, LIMIT_BYTES)?;
    let blocks = disk.len_bytes.div_ceil(BLOCK_BYTES);
    let mut table = vec![ABSENT; (blocks as usize).next_multiple_of(SECTOR_BYTES as usize / 4)];
    let table_bytes = table.len() as u64 * 4;
    let mut at = (TABLE_AT + table_bytes + SECTOR_BYTES).next_multiple_of(ALIGN_BYTES);
    let mut content = Vec::new();
    let mut bitmap_page = None;
    for (index, block) in disk.blocks(BLOCK_BYTES).into_iter().flatten().enumerate() {
        let bitmap_at = at - SECTOR_BYTES;
        let page_at = at - ALIGN_BYTES;
        content.push(match bitmap_page {
            Some(same) => Piece {
                at_bytes: page_at,
                content: PieceContent::SamePage(same),
            },
            // All sectors are there: those without content read as zeros anyway.
            None => Piece::structure(bitmap_at, vec![0xff; SECTOR_BYTES as usize]),
        });
        if index > 0 {
            // The first one's page may have the table's end.
            bitmap_page.get_or_insert(page_at);
        }
        content.push(Piece::disk(at, disk.within(&(block..block + 1), BLOCK_BYTES)));
        // Below 2^32, since the disk has at most 2040 GiB.
        table[block as usize] = (bitmap_at / SECTOR_BYTES) as u32;
        at += BLOCK_BYTES + ALIGN_BYTES;
    }
    // The last block's content ends where the next bitmap's page would begin.
    let footer_at = if content.is_empty() {
        TABLE_AT + table_bytes
    } else {
        at - ALIGN_BYTES
    };
    let footer = footer(disk, DYNAMIC);
    let mut pieces = vec![
        Piece::structure(0, footer.clone()),
        Piece::structure(FOOTER_BYTES as u64, header(blocks as u32)),
        Piece::structure(
            TABLE_AT,
            table.iter().flat_map(|entry| entry.to_be_bytes()).collect(),
        ),
    ];
    pieces.extend(content);
    pieces.push(Piece::structure(footer_at, footer));
    Ok(Plan {
        len_bytes: footer_at + FOOTER_BYTES as u64,
        pieces,
    })
}

pub(crate) fn footer(disk: &Disk, kind: u32) -> Vec<u8> {
    let mut footer = vec![0; FOOTER_BYTES];
    let header_at = if kind == FIXED {
        u64::MAX
    } else {
        FOOTER_BYTES as u64
    };
    let made = u32::try_from(disk.made_secs.saturating_sub(EPOCH_SECS)).unwrap_or(u32::MAX);
    put(&mut footer, 0, b"conectix");
    // Reserved, always set.
    put(&mut footer, 8, &2u32.to_be_bytes());
    put(&mut footer, 12, &0x0001_0000u32.to_be_bytes());
    put(&mut footer, 16, &header_at.to_be_bytes());
    put(&mut footer, 24, &made.to_be_bytes());
    put(&mut footer, 28, CREATOR);
    put(&mut footer, 32, &0x0006_0001u32.to_be_bytes());
    put(&mut footer, 36, b"Wi2k");
    put(&mut footer, 40, &disk.len_bytes.to_be_bytes());
    put(&mut footer, 48, &disk.len_bytes.to_be_bytes());
    let (cylinders, heads, sectors) = geometry(disk.len_bytes / SECTOR_BYTES);
    put(&mut footer, 56, &cylinders.to_be_bytes());
    put(&mut footer, 58, &[heads, sectors]);
    put(&mut footer, 60, &kind.to_be_bytes());
    put(&mut footer, 68, disk.id.as_bytes());
    let sum = checksum(&footer);
    put(&mut footer, 64, &sum.to_be_bytes());
    footer
}

pub(crate) fn header(blocks: u32) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    put(&mut header, 0, b"cxsparse");
    put(&mut header, 8, &u64::MAX.to_be_bytes());
    put(&mut header, 16, &TABLE_AT.to_be_bytes());
    put(&mut header, 24, &0x0001_0000u32.to_be_bytes());
    put(&mut header, 28, &blocks.to_be_bytes());
    put(&mut header, 32, &(BLOCK_BYTES as u32).to_be_bytes());
    let sum = checksum(&header);
    put(&mut header, 36, &sum.to_be_bytes());
    header
}

/// The complement of the sum of all bytes, those of the checksum being 0.
pub(crate) fn checksum(structure: &[u8]) -> u32 {
    !structure.iter().map(|byte| u32::from(*byte)).sum::<u32>()
}

/// Cylinders, heads and sectors per track, as the specification's appendix computes them.
fn geometry(sectors: u64) -> (u16, u8, u8) {
    const MOST: u64 = 65535 * 16 * 255;
    let sectors = sectors.min(MOST);
    let (tracks, heads, per_track) = if sectors >= 65535 * 16 * 63 {
        (sectors / 255, 16, 255)
    } else {
        let tracks = sectors / 17;
        let heads = tracks.div_ceil(1024).max(4);
        if tracks < heads * 1024 && heads <= 16 {
            (tracks, heads, 17)
        } else if sectors / 31 < 16 * 1024 {
            (sectors / 31, 16, 31)
        } else {
            (sectors / 63, 16, 63)
        }
    };
    // None exceeds its field: 65535 cylinders, 16 heads, 255 sectors.
    ((tracks / heads) as u16, heads as u8, per_track as u8)
}
