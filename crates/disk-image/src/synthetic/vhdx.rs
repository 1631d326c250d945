//! VHDX ("[MS-VHDX]: Virtual Hard Disk v2 File Format"). All fields are little endian.
//!
//! ```text
//! 0        file identifier
//! 64 KiB   header, and its copy at 128 KiB
//! 192 KiB  region table, and its copy at 256 KiB
//! 1 MiB    log, empty
//! 2 MiB    metadata
//! 3 MiB    block allocation table, in whole MiB
//! ...      the disk's content, each block at its own offset from here
//! ```
//! Blocks without content are holes in the file and absent in the table. Since payload lies on multiples of 1 MiB, all of it
//! can be shared.

use crc::{CRC_32_ISCSI, Crc};
use uuid::{Uuid, uuid};

use super::{Disk, Piece, Plan, SECTOR_BYTES, check_limit, put};
use crate::Result;

const KIB: u64 = 1 << 10;
pub(crate) const MIB: u64 = 1 << 20;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
pub(crate) const LIMIT_BYTES: u64 = 64 << 40;

pub(crate) const HEADERS_AT: [u64; 2] = [64 * KIB, 128 * KIB];
pub(crate) const REGIONS_AT: [u64; 2] = [192 * KIB, 256 * KIB];
const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
pub(crate) const TABLE_AT: u64 = 3 * MIB;
/// The table is kept this small, if need be by larger blocks.
const TABLE_AIM_BYTES: u64 = 256 * KIB;
const MAX_BLOCK_BYTES: u64 = 256 * MIB;

const TABLE_REGION: Uuid = uuid!("2dc27766-f623-4200-9d64-115e9bfd4a08");
const METADATA_REGION: Uuid = uuid!("8b7ca206-4790-4b9a-b8fe-575f050f886e");
const FILE_PARAMETERS: Uuid = uuid!("caa16737-fa36-4d43-b3b6-33f0aa44e76b");
const DISK_SIZE: Uuid = uuid!("2fa54224-cd1b-4876-b211-5dbed83bf4b8");
const DISK_ID: Uuid = uuid!("beca12ab-b2e6-4523-93ef-c309e000c746");
const LOGICAL_SECTOR: Uuid = uuid!("8141bf1d-a96f-4709-ba47-f233a8faab5f");
const PHYSICAL_SECTOR: Uuid = uuid!("cda348c7-445d-4471-9cc9-e9885251c556");
const PARENT_LOCATOR: Uuid = uuid!("a8d35f2d-b30b-454d-abf7-d3d84834ab0c");

/// A file parameter.
const HAS_PARENT: u32 = 2;
/// State of a block that is there as a whole.
pub(crate) const FULLY_PRESENT: u64 = 6;
/// Flags of a metadata item: it must be understood; it is about the disk.
const REQUIRED: u32 = 4;
const OF_DISK: u32 = 2;

pub(super) fn dynamic(disk: &Disk) -> Result<Plan> {
    check_limit("VHDX", disk, LIMIT_BYTES)?;
    let block_bytes = block_bytes(disk.len_bytes);
    let blocks = disk.len_bytes.div_ceil(block_bytes);
    // Behind each so many blocks the table has an entry for a bitmap, which only differencing disks have.
    let per_chunk = (SECTOR_BYTES << 23) / block_bytes;
    let entry_of = |block: u64| block + block / per_chunk;
    let entries = blocks.checked_sub(1).map_or(0, |last| entry_of(last) + 1);
    let table_bytes = (entries * 8).next_multiple_of(MIB).max(MIB);
    let content_at = TABLE_AT + table_bytes;
    let mut table = vec![0; (entries * 8).next_multiple_of(4 * KIB) as usize];
    let runs = disk.blocks(block_bytes);
    for block in runs.iter().cloned().flatten() {
        let entry = (content_at + block * block_bytes) | FULLY_PRESENT;
        put(&mut table, entry_of(block) as usize * 8, &entry.to_le_bytes());
    }
    let mut pieces = vec![Piece::structure(0, identifier())];
    pieces.extend(
        HEADERS_AT
            .into_iter()
            .zip(1..)
            .map(|(at, sequence)| Piece::structure(at, header(disk, sequence))),
    );
    pieces.extend(REGIONS_AT.map(|at| Piece::structure(at, regions(table_bytes))));
    pieces.extend(metadata(disk, block_bytes, None));
    pieces.push(Piece::structure(TABLE_AT, table));
    pieces.extend(Piece::blocks(content_at, &runs, disk, block_bytes));
    Ok(Plan {
        // A block is there as a whole, also where the disk ends within it.
        len_bytes: content_at + blocks * block_bytes,
        pieces,
    })
}

/// The smallest block for which the table stays small.
pub(crate) fn block_bytes(disk_len_bytes: u64) -> u64 {
    let mut block_bytes = MIB;
    while block_bytes < MAX_BLOCK_BYTES && disk_len_bytes / block_bytes * 8 > TABLE_AIM_BYTES {
        block_bytes *= 2;
    }
    block_bytes
}

pub(crate) fn identifier() -> Vec<u8> {
    let mut identifier = b"vhdxfile".to_vec();
    identifier.extend("Perennial".encode_utf16().flat_map(u16::to_le_bytes));
    identifier
}

pub(crate) fn header(disk: &Disk, sequence: u64) -> Vec<u8> {
    let mut header = vec![0; 4 * KIB as usize];
    put(&mut header, 0, b"head");
    put(&mut header, 8, &sequence.to_le_bytes());
    put(&mut header, 16, &disk.id.to_bytes_le());
    put(&mut header, 32, &disk.id.to_bytes_le());
    // No log GUID: there is nothing to be replayed.
    put(&mut header, 66, &1u16.to_le_bytes());
    put(&mut header, 68, &(MIB as u32).to_le_bytes());
    put(&mut header, 72, &LOG_AT.to_le_bytes());
    let sum = CRC.checksum(&header);
    put(&mut header, 4, &sum.to_le_bytes());
    header
}

pub(crate) fn regions(table_bytes: u64) -> Vec<u8> {
    let mut regions = vec![0; 64 * KIB as usize];
    put(&mut regions, 0, b"regi");
    put(&mut regions, 8, &2u32.to_le_bytes());
    let all = [
        (TABLE_REGION, TABLE_AT, table_bytes),
        (METADATA_REGION, METADATA_AT, MIB),
    ];
    for (index, (region, at, len)) in all.into_iter().enumerate() {
        let entry = 16 + index * 32;
        put(&mut regions, entry, &region.to_bytes_le());
        put(&mut regions, entry + 16, &at.to_le_bytes());
        put(&mut regions, entry + 24, &(len as u32).to_le_bytes());
        put(&mut regions, entry + 28, &1u32.to_le_bytes());
    }
    let sum = CRC.checksum(&regions);
    put(&mut regions, 4, &sum.to_le_bytes());
    regions
}

/// The table of the metadata and its items.
pub(crate) fn metadata(disk: &Disk, block_bytes: u64, parent_locator: Option<Vec<u8>>) -> [Piece; 2] {
    const ITEMS_AT: u64 = 64 * KIB;
    let mut parameters = (block_bytes as u32).to_le_bytes().to_vec();
    let flags = if parent_locator.is_some() { HAS_PARENT } else { 0 };
    parameters.extend(flags.to_le_bytes());
    let mut items: Vec<(Uuid, Vec<u8>, u32)> = vec![
        (FILE_PARAMETERS, parameters, REQUIRED),
        (
            DISK_SIZE,
            disk.len_bytes.to_le_bytes().to_vec(),
            REQUIRED | OF_DISK,
        ),
        (DISK_ID, disk.id.to_bytes_le().to_vec(), REQUIRED | OF_DISK),
        (
            LOGICAL_SECTOR,
            (SECTOR_BYTES as u32).to_le_bytes().to_vec(),
            REQUIRED | OF_DISK,
        ),
        (
            PHYSICAL_SECTOR,
            4096u32.to_le_bytes().to_vec(),
            REQUIRED | OF_DISK,
        ),
    ];
    items.extend(parent_locator.map(|locator| (PARENT_LOCATOR, locator, REQUIRED)));
    let mut table = vec![0; 32 * (items.len() + 1)];
    put(&mut table, 0, b"metadata");
    put(&mut table, 10, &(items.len() as u16).to_le_bytes());
    let mut bytes = Vec::new();
    for (index, (id, item, flags)) in items.into_iter().enumerate() {
        let entry = 32 * (index + 1);
        put(&mut table, entry, &id.to_bytes_le());
        put(
            &mut table,
            entry + 16,
            &(ITEMS_AT as u32 + bytes.len() as u32).to_le_bytes(),
        );
        put(&mut table, entry + 20, &(item.len() as u32).to_le_bytes());
        put(&mut table, entry + 24, &flags.to_le_bytes());
        bytes.extend(item);
    }
    [
        Piece::structure(METADATA_AT, table),
        Piece::structure(METADATA_AT + ITEMS_AT, bytes),
    ]
}
