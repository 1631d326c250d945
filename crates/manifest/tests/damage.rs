//! Damage: whatever is flipped or cut, a manifest is refused or gives what was written; no bytes make a
//! decoder panic.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod generate;

use generate::{record, sampler, tree, write};
use manifest::delta::{OpStream, decode_ops};
use manifest::{
    DirRecord, Error, RawRecord, Reader, Result, decode_entry, decode_record, encode_record, read_partial,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn read_all(bytes: &[u8]) -> Result<Vec<DirRecord>> {
    Reader::open(bytes)?.records().collect()
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (bytes, _) = write(&sampler(), 2);
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            let read = read_all(&damaged);
            assert!(read.is_err(), "byte {at} ^ {mask:#x} goes unnoticed");
            if let Ok(partial) = read_partial(&damaged[..]) {
                let prefix: Vec<DirRecord> = partial.map(|record| record.decode().unwrap()).collect();
                assert!(
                    sampler().starts_with(&prefix),
                    "byte {at} ^ {mask:#x} changes what is read"
                );
            }
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    let (bytes, _) = write(&sampler(), 2);
    for len in 0..bytes.len() {
        assert!(read_all(&bytes[..len]).is_err(), "cut to {len}");
        if let Ok(partial) = read_partial(&bytes[..len]) {
            let prefix: Vec<DirRecord> = partial.map(|record| record.decode().unwrap()).collect();
            assert!(sampler().starts_with(&prefix), "cut to {len}");
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(read_all(&longer).is_err());
}

#[test]
fn kinds_of_damage_are_told_apart() {
    let (bytes, _) = write(&sampler(), 2);
    assert!(matches!(
        Reader::open(&b"some text that is no manifest at all"[..]),
        Err(Error::NotAManifest)
    ));
    assert!(matches!(Reader::open(&b""[..]), Err(Error::NotAManifest)));
    assert!(matches!(
        Reader::open(&bytes[..bytes.len() - 1]),
        Err(Error::Unfinished)
    ));
    let mut newer = bytes.clone();
    newer[8] = 3;
    assert!(matches!(
        Reader::open(&newer[..]),
        Err(Error::UnsupportedVersion {
            found: 3,
            supported: 2
        })
    ));
    let mut damaged = bytes.clone();
    damaged[40] ^= 1;
    assert!(matches!(Reader::open(&damaged[..]), Err(Error::Damaged { .. })));
}

#[test]
fn lengths_beyond_the_input_are_refused_before_memory_is_taken() {
    // A path, or a count, of 2^62: the varint of it.
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
    assert!(decode_record(&huge).is_err());
    assert!(decode_record(&[&[0][..], &huge].concat()).is_err());
    for kind in 0..5 {
        assert!(
            decode_ops(&[&[kind][..], &huge, &[0; 20]].concat())
                .next()
                .unwrap()
                .is_err()
                || kind == 1
                || kind == 2
        );
        let mut stream = OpStream::new(1000);
        stream.feed(&[&[kind][..], &huge].concat());
        assert!(stream.next_op().is_err() || kind == 1 || kind == 2);
    }
}

#[test]
fn the_rest_of_a_partial_after_a_damaged_frame_is_left_out() {
    let (bytes, _) = write(&sampler(), 1);
    let mut partial = read_partial(&bytes[..]).unwrap();
    partial.next().unwrap();
    partial.next().unwrap();
    let end = partial.valid_bytes() as usize;
    let mut damaged = bytes.clone();
    damaged[end + 40] ^= 1;
    assert_eq!(read_partial(&damaged[..]).unwrap().count(), 2);
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode_record(&bytes);
        let _ = decode_entry(&bytes);
        let _ = decode_ops(&bytes).count();
        let _ = RawRecord::new(bytes.clone());
        let _ = read_all(&bytes);
        let _ = read_partial(&bytes[..]).map(Iterator::count);
        let mut stream = OpStream::new(1 << 20);
        stream.feed(&bytes);
        while let Ok(Some(_)) = stream.next_op() {}
    }

    #[test]
    fn what_is_decoded_has_no_other_encoding(record in record(), at: prop::sample::Index, byte: u8) {
        let mut encoded = Vec::new();
        encode_record(&record, &mut encoded).unwrap();
        let at = at.index(encoded.len());
        encoded[at] = byte;
        if let Ok(decoded) = decode_record(&encoded) {
            let mut again = Vec::new();
            encode_record(&decoded, &mut again).unwrap();
            prop_assert_eq!(again, encoded);
        }
    }

    #[test]
    fn shortened_records_are_refused(record in record(), at: prop::sample::Index) {
        let mut encoded = Vec::new();
        encode_record(&record, &mut encoded).unwrap();
        encoded.truncate(at.index(encoded.len()));
        prop_assert!(decode_record(&encoded).is_err());
    }

    #[test]
    fn trees_with_a_flipped_byte_are_refused(records in tree(), at: prop::sample::Index, mask in 1u8..) {
        let (mut bytes, _) = write(&records, 3);
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert!(read_all(&bytes).is_err());
    }
}
