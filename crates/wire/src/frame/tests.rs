//! Tests of the module above.

use super::*;

fn piece(file_id: u64, offset_bytes: u64) -> Piece {
    Piece {
        file_id,
        offset_bytes,
        ..Piece::default()
    }
}

fn sent(compression: Compression, contents: &[&[u8]]) -> Vec<u8> {
    let mut writer = FrameWriter::create(Vec::new(), b"session").unwrap();
    writer.set_compression(compression);
    for (index, bytes) in contents.iter().enumerate() {
        writer.piece(piece(index as u64, 0), bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn received(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FrameError> {
    let (mut reader, session) = FrameReader::open(bytes)?;
    assert_eq!(session, b"session");
    let mut all = Vec::new();
    loop {
        match reader.next_frame()? {
            Frame::End => return Ok(all),
            Frame::Pieces(pieces, mut payload) => {
                for piece in pieces {
                    let (own, rest) = payload.split_at(piece.len_bytes as usize);
                    all.push(own.to_vec());
                    payload = rest;
                }
            }
        }
    }
}

#[test]
fn pieces_come_out_as_they_went_in() {
    let large = vec![7u8; TARGET_PAYLOAD_BYTES + 5];
    let contents: [&[u8]; 4] = [b"", b"small", &large, b"after"];
    for compression in [Compression::Off, Compression::Zstd(1)] {
        let bytes = sent(compression, &contents);
        assert_eq!(received(&bytes).unwrap(), contents);
    }
}

#[test]
fn compression_shrinks_what_can_shrink_and_leaves_the_rest() {
    let zeros = vec![0u8; 100_000];
    assert!(sent(Compression::Zstd(1), &[&zeros]).len() < 1000);
    let mut state = 1u64;
    let noise: Vec<u8> = (0..100_000)
        .map(|_| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 56) as u8
        })
        .collect();
    assert!(sent(Compression::Zstd(1), &[&noise]).len() < 101_000);
}

#[test]
fn every_truncation_is_an_error_and_never_a_panic() {
    let bytes = sent(Compression::Off, &[b"one", b"two"]);
    for len in 0..bytes.len() {
        assert!(received(&bytes[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let zeros = vec![0u8; 5000];
    for compression in [Compression::Off, Compression::Zstd(1)] {
        let bytes = sent(compression, &[b"one", &zeros]);
        for at in 0..bytes.len().min(400) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let (mut reader, _) = match FrameReader::open(damaged.as_slice()) {
                Ok(opened) => opened,
                Err(_) => continue,
            };
            while let Ok(Frame::Pieces(..)) = reader.next_frame() {}
        }
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_anything_is_allocated() {
    for prefix in [
        [0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0],
        [0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f],
    ] {
        assert!(matches!(
            FrameReader::open(prefix.as_slice()),
            Err(FrameError::TooLong { .. })
        ));
    }
}

#[test]
fn a_piece_that_ends_beyond_the_largest_file_is_refused() {
    for offset in [1u64 << 63, u64::MAX, i64::MAX as u64] {
        let mut writer = FrameWriter::create(Vec::new(), b"session").unwrap();
        writer.piece(piece(1, offset), b"x").unwrap();
        let bytes = writer.finish().unwrap();
        assert!(matches!(received(&bytes), Err(FrameError::Malformed { .. })));
    }
}
