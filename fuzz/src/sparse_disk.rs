//! Inputs of some hundred bytes that stand for sources of many MiB.
//!
//! ```text
//! 0   1   flags: 1 the target makes the checksums right
//! 1   4   size of the source in sectors of 512 bytes, little endian
//! 5       pieces: 4 sector where it lies, 2 length, its bytes
//! ```
//! A later piece covers an earlier one; everything else is zeros. Any input is taken for something.

use std::io;

use disk_image::DiskSource;

const SECTOR_BYTES: u64 = 512;
/// Enough for every structure, and so small that walking through all of a source takes no time.
const MAX_LEN_BYTES: u64 = 64 << 20;
const HAS_RIGHT_CHECKSUMS: u8 = 1;

/// A source that is zeros but for a few pieces.
#[derive(Debug, Clone, Default)]
pub struct SparseDisk {
    /// Whether the target is to make the checksums right.
    pub has_right_checksums: bool,
    len_bytes: u64,
    pieces: Vec<(u64, Vec<u8>)>,
}

impl SparseDisk {
    /// The source that an input stands for.
    pub fn decode(input: &[u8]) -> Self {
        let mut disk = Self::default();
        let Some((start, mut rest)) = input.split_first_chunk::<5>() else {
            return disk;
        };
        disk.has_right_checksums = start[0] & HAS_RIGHT_CHECKSUMS != 0;
        let sectors = u32::from_le_bytes([start[1], start[2], start[3], start[4]]);
        disk.len_bytes = (u64::from(sectors) * SECTOR_BYTES).min(MAX_LEN_BYTES);
        while let Some((piece, after)) = rest.split_first_chunk::<6>() {
            let sector = u32::from_le_bytes([piece[0], piece[1], piece[2], piece[3]]);
            let len = usize::from(u16::from_le_bytes([piece[4], piece[5]])).min(after.len());
            let (bytes, after) = after.split_at(len);
            disk.put(u64::from(sector) * SECTOR_BYTES, bytes);
            rest = after;
        }
        disk
    }

    /// The input that stands for a file.
    pub fn encode(file: &[u8]) -> Vec<u8> {
        let sectors = file.len() as u64 / SECTOR_BYTES;
        let mut input = vec![HAS_RIGHT_CHECKSUMS];
        input.extend((sectors as u32).to_le_bytes());
        let mut piece: Option<(u32, Vec<u8>)> = None;
        let mut flush = |piece: Option<(u32, Vec<u8>)>| {
            let Some((sector, bytes)) = piece else { return };
            let len = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1);
            input.extend(sector.to_le_bytes());
            input.extend((len as u16).to_le_bytes());
            input.extend(&bytes[..len]);
        };
        for (sector, bytes) in (0..).zip(file.chunks(SECTOR_BYTES as usize)) {
            if bytes.iter().all(|byte| *byte == 0) {
                flush(piece.take());
                continue;
            }
            match &mut piece {
                Some((_, piece)) if piece.len() < 60_000 => piece.extend(bytes),
                _ => {
                    flush(piece.take());
                    piece = Some((sector, bytes.to_vec()));
                }
            }
        }
        flush(piece);
        input
    }

    /// Covers what is there.
    pub fn put(&mut self, at_bytes: u64, bytes: &[u8]) {
        self.pieces.push((at_bytes, bytes.to_vec()));
    }

    /// A part of it; `None` where that leaves it.
    pub fn get(&self, at_bytes: u64, len_bytes: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len_bytes];
        self.read_exact_at(&mut bytes, at_bytes).ok().map(|()| bytes)
    }

    /// Its size.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }
}

impl DiskSource for SparseDisk {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.len_bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        let end = end
            .filter(|end| *end <= self.len_bytes)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        for (at, bytes) in &self.pieces {
            let start = (*at).max(offset_bytes);
            let stop = (at + bytes.len() as u64).min(end);
            if start < stop {
                let into = (start - offset_bytes) as usize..(stop - offset_bytes) as usize;
                buffer[into].copy_from_slice(&bytes[(start - at) as usize..(stop - at) as usize]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_file_is_that_file() {
        let mut file = vec![0; 300_000 / 512 * 512];
        file[100] = 1;
        file[5000..90_000].fill(2);
        file[200_000] = 3;
        let disk = SparseDisk::decode(&SparseDisk::encode(&file));
        assert_eq!(disk.get(0, file.len()), Some(file));
        assert!(disk.has_right_checksums);
    }
}
