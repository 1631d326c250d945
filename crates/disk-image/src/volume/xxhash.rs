//! XXH64 with seed 0, the second kind of checksum that btrfs has ("xxHash fast digest algorithm", 3.2).

const PRIMES: [u64; 5] = [
    0x9e37_79b1_85eb_ca87,
    0xc2b2_ae3d_27d4_eb4f,
    0x1656_67b1_9e37_79f9,
    0x85eb_ca77_c2b2_ae63,
    0x27d4_eb2f_1656_67c5,
];
const STRIPE_BYTES: usize = 32;

/// The hash of some bytes.
pub(super) fn xxh64(bytes: &[u8]) -> u64 {
    let (stripes, rest) = bytes.split_at(bytes.len() / STRIPE_BYTES * STRIPE_BYTES);
    let mut hash = if stripes.is_empty() {
        PRIMES[4]
    } else {
        of_stripes(stripes)
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    let (words, rest) = rest.split_at(rest.len() / 8 * 8);
    for word in words.chunks_exact(8) {
        hash ^= round(0, number(word));
        hash = hash
            .rotate_left(27)
            .wrapping_mul(PRIMES[0])
            .wrapping_add(PRIMES[3]);
    }
    let (halves, rest) = rest.split_at(rest.len() / 4 * 4);
    for half in halves.chunks_exact(4) {
        hash ^= number(half).wrapping_mul(PRIMES[0]);
        hash = hash
            .rotate_left(23)
            .wrapping_mul(PRIMES[1])
            .wrapping_add(PRIMES[2]);
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIMES[4]);
        hash = hash.rotate_left(11).wrapping_mul(PRIMES[0]);
    }
    hash = (hash ^ hash >> 33).wrapping_mul(PRIMES[1]);
    hash = (hash ^ hash >> 29).wrapping_mul(PRIMES[2]);
    hash ^ hash >> 32
}

/// Four lanes, which are merged in the end.
fn of_stripes(stripes: &[u8]) -> u64 {
    let mut lanes = [
        PRIMES[0].wrapping_add(PRIMES[1]),
        PRIMES[1],
        0,
        PRIMES[0].wrapping_neg(),
    ];
    for stripe in stripes.chunks_exact(STRIPE_BYTES) {
        for (lane, word) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
            *lane = round(*lane, number(word));
        }
    }
    let turned = lanes
        .iter()
        .zip([1, 7, 12, 18])
        .map(|(lane, turn)| lane.rotate_left(turn));
    let merged = turned.fold(0_u64, u64::wrapping_add);
    lanes.iter().fold(merged, |hash, lane| {
        (hash ^ round(0, *lane))
            .wrapping_mul(PRIMES[0])
            .wrapping_add(PRIMES[3])
    })
}

fn round(lane: u64, word: u64) -> u64 {
    let lane = lane.wrapping_add(word.wrapping_mul(PRIMES[1]));
    lane.rotate_left(31).wrapping_mul(PRIMES[0])
}

/// Up to eight bytes, little endian.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference_implementation() {
        assert_eq!(xxh64(b""), 0xef46_db37_51d8_e999);
        assert_eq!(xxh64(b"abc"), 0x44bc_2cf5_ad77_0999);
        // Longer than a stripe, with a word, a half and single bytes behind it.
        let text = b"Nobody inspects the spammish repetition";
        assert_eq!(xxh64(text), 0xfbce_a83c_8a37_8bf1);
    }
}
