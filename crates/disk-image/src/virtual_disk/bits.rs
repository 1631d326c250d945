//! Bitmaps of sectors, in the two orders that the formats have.

use std::ops::Range;

/// Which bit of a byte stands for the first of eight sectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BitOrder {
    /// The highest: VHD.
    HighFirst,
    /// The lowest: VHDX.
    LowFirst,
}

impl BitOrder {
    /// Whether a bit is set; it lies within the bitmap.
    pub fn is_set(self, bitmap: &[u8], bit: usize) -> bool {
        bitmap[bit / 8] & self.mask(bit) != 0
    }

    /// How many bits from one on are as that one is, within the bitmap.
    pub fn run(self, bitmap: &[u8], from: usize) -> (bool, usize) {
        let first = self.is_set(bitmap, from);
        let whole = if first { 0xff } else { 0 };
        let end = bitmap.len() * 8;
        let mut bit = from;
        while bit < end {
            if bit.is_multiple_of(8) && bitmap[bit / 8] == whole {
                bit += 8;
            } else if self.is_set(bitmap, bit) == first {
                bit += 1;
            } else {
                break;
            }
        }
        (first, bit - from)
    }

    /// Sets bits, which lie within the bitmap.
    pub fn set(self, bitmap: &mut [u8], bits: Range<usize>) {
        for bit in bits {
            bitmap[bit / 8] |= self.mask(bit);
        }
    }

    fn mask(self, bit: usize) -> u8 {
        match self {
            Self::HighFirst => 0x80 >> (bit % 8),
            Self::LowFirst => 1 << (bit % 8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_a_bit_differs_and_at_the_bitmaps_end() {
        let bitmap = [0b1110_0000, 0, 0b0000_0001];
        assert_eq!(BitOrder::HighFirst.run(&bitmap, 0), (true, 3));
        assert_eq!(BitOrder::HighFirst.run(&bitmap, 3), (false, 20));
        assert_eq!(BitOrder::HighFirst.run(&bitmap, 23), (true, 1));
        assert_eq!(BitOrder::LowFirst.run(&bitmap, 0), (false, 5));
        assert_eq!(BitOrder::LowFirst.run(&bitmap, 5), (true, 3));
        assert_eq!(BitOrder::LowFirst.run(&bitmap, 17), (false, 7));
    }
}
