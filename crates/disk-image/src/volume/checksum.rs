//! CRC-32C as ext4, XFS and btrfs use it.

use crc::{CRC_32_ISCSI, Crc, Table};

/// The register as it is, without the inversion at the end that the standard has.
const RAW: crc::Algorithm<u32> = crc::Algorithm {
    xorout: 0,
    ..CRC_32_ISCSI
};
static CRC_RAW: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&RAW);
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The standard's checksum of slices, one after the other.
pub(super) fn crc32c(slices: &[&[u8]]) -> u32 {
    let mut digest = CRC.digest();
    slices.iter().for_each(|slice| digest.update(slice));
    digest.finalize()
}

/// Goes on from an earlier result, without inversion, as the kernel's `crc32c()` does.
pub(super) fn crc32c_from(seed: u32, slices: &[&[u8]]) -> u32 {
    // The library takes a register whose bits are not yet mirrored.
    let mut digest = CRC_RAW.digest_with_initial(seed.reverse_bits());
    slices.iter().for_each(|slice| digest.update(slice));
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_in_pieces_is_that_of_the_whole() {
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
        let first = crc32c_from(!0, &[b"1234"]);
        assert_eq!(crc32c_from(first, &[b"567", b"89"]), !0xe306_9283);
    }
}
