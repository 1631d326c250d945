//! Checksums made right, so that a fuzzer comes to what they guard.

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, Crc};

use crate::SparseDisk;

const GPT: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const VHDX: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Of an exFAT so many sectors are summed; the next has the sum.
const EXFAT_SECTORS: u64 = 11;
const MAX_ENTRIES_BYTES: u64 = 1 << 16;
const MAX_LOG_BYTES: u64 = 2 << 20;

/// Those of both copies of a GPT: the entries' first, which the header's covers.
pub fn gpt(disk: &mut SparseDisk) {
    for sector_bytes in [512, 4096] {
        for at in [sector_bytes, disk.len_bytes().saturating_sub(sector_bytes)] {
            let Some(mut header) = disk.get(at, sector_bytes as usize) else {
                continue;
            };
            if !header.starts_with(b"EFI PART") {
                continue;
            }
            let entries_at = le_u64(&header, 72).saturating_mul(sector_bytes);
            let entries_bytes = u64::from(le_u32(&header, 80)) * u64::from(le_u32(&header, 84));
            if entries_bytes <= MAX_ENTRIES_BYTES
                && let Some(entries) = disk.get(entries_at, entries_bytes as usize)
            {
                header[88..92].copy_from_slice(&GPT.checksum(&entries).to_le_bytes());
            }
            header[16..20].fill(0);
            let size = (le_u32(&header, 12) as usize).min(header.len());
            let sum = GPT.checksum(&header[..size]);
            header[16..20].copy_from_slice(&sum.to_le_bytes());
            disk.put(at, &header);
        }
    }
}

/// Those of a VHD's footers and of the header that they lead to.
pub fn vhd(disk: &mut SparseDisk) {
    for at in [0, disk.len_bytes().saturating_sub(512)] {
        let Some(footer) = disk.get(at, 512).filter(|footer| footer.starts_with(b"conectix")) else {
            continue;
        };
        disk.put(at, &summed(&footer, 64));
        let header_at = be_u64(&footer, 16);
        if let Some(header) = disk.get(header_at, 1024) {
            disk.put(header_at, &summed(&header, 36));
        }
    }
}

fn summed(structure: &[u8], sum_at: usize) -> Vec<u8> {
    let mut structure = structure.to_vec();
    structure[sum_at..sum_at + 4].fill(0);
    let sum: u32 = structure.iter().map(|byte| u32::from(*byte)).sum();
    structure[sum_at..sum_at + 4].copy_from_slice(&(!sum).to_be_bytes());
    structure
}

/// Those of a VHDX's headers, region tables and log entries.
pub fn vhdx(disk: &mut SparseDisk) {
    let mut logs = Vec::new();
    for at in [64 << 10, 128 << 10] {
        if let Some(header) = disk.get(at, 4096) {
            logs.push((le_u64(&header, 72), u64::from(le_u32(&header, 68))));
        }
        vhdx_structure(disk, at, 4096);
    }
    for at in [192 << 10, 256 << 10] {
        vhdx_structure(disk, at, 64 << 10);
    }
    for (log_at, log_bytes) in logs {
        let log = disk.get(log_at, log_bytes.min(MAX_LOG_BYTES) as usize);
        let sectors = log.iter().flat_map(|log| log.chunks_exact(4096));
        let entries: Vec<(u64, usize)> = (0..)
            .zip(sectors)
            .filter(|(_, sector)| sector.starts_with(b"loge"))
            .map(|(number, sector)| (log_at + number * 4096, le_u32(sector, 8) as usize))
            .take(8)
            .collect();
        for (at, len) in entries
            .into_iter()
            .filter(|(_, len)| (4096..=1 << 16).contains(len))
        {
            vhdx_structure(disk, at, len);
        }
    }
}

fn vhdx_structure(disk: &mut SparseDisk, at: u64, len: usize) {
    if let Some(mut bytes) = disk.get(at, len) {
        bytes[4..8].fill(0);
        let sum = VHDX.checksum(&bytes);
        disk.put(at, &[&bytes[..4], &sum.to_le_bytes()].concat());
    }
}

/// That of an exFAT's boot sectors: of all bytes but flags and share of used clusters.
pub fn exfat(disk: &mut SparseDisk) {
    let boot = disk.get(0, 512).filter(|boot| &boot[3..11] == b"EXFAT   ");
    let Some(shift) = boot.map(|boot| boot[108]) else {
        return;
    };
    let sum_at = EXFAT_SECTORS << shift.clamp(9, 12);
    if let Some(sectors) = disk.get(0, sum_at as usize) {
        let counted = (0..)
            .zip(&sectors)
            .filter(|(at, _)| !matches!(at, 106 | 107 | 112));
        let sum = counted.fold(0_u32, |sum, (_, byte)| {
            sum.rotate_right(1).wrapping_add(u32::from(*byte))
        });
        disk.put(sum_at, &sum.to_le_bytes());
    }
}

fn le_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn le_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le_u32(bytes, at)) | u64::from(le_u32(bytes, at + 4)) << 32
}

fn be_u64(bytes: &[u8], at: usize) -> u64 {
    le_u64(bytes, at).swap_bytes()
}
