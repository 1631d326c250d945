//! Streams are cut, placed and given back; damage is found.

use std::os::unix::fs::FileExt as _;

use proptest::prelude::*;

use super::*;
use crate::backup::fake::pattern;

fn chunks(stream: &[u8], pieces: usize) -> Vec<Vec<u8>> {
    let mut cutter = Cutter::default();
    let mut chunks = Vec::new();
    for piece in stream.chunks(pieces) {
        cutter.add(piece);
        while let Some(chunk) = cutter.next() {
            chunks.push(chunk.to_vec());
        }
    }
    while let Some(chunk) = cutter.rest() {
        chunks.push(chunk.to_vec());
    }
    chunks
}

/// Lays a stream out after another one, as a file.
fn laid_out(stream: &[u8], last: Option<(&Index, &[u8])>) -> (Index, Vec<u8>) {
    let mut placement = Placement::after(last.map(|(index, _)| index));
    let mut file = last.map_or(Vec::new(), |(_, file)| file.to_vec());
    for chunk in chunks(stream, 64 << 10) {
        let place = placement.place(&chunk).unwrap();
        let start = place.slot as usize * SLOT_BYTES as usize;
        file.resize(file.len().max(start + SLOT_BYTES as usize), 0);
        file[start..start + SLOT_BYTES as usize].fill(0);
        file[start..start + chunk.len()].copy_from_slice(&chunk);
    }
    let (index, _) = placement.finish(manifest::ContentHash::of(stream));
    file.truncate(index.slots as usize * SLOT_BYTES as usize);
    file.extend(index.encode());
    (index, file)
}

fn unpacked(file: &[u8]) -> Result<Vec<u8>, AlignedError> {
    let stored = tempfile::tempfile().unwrap();
    stored.write_all_at(file, 0).unwrap();
    let mut out = Vec::new();
    unpack(&stored, &mut out).map(|_| out)
}

/// Slots whose content is another than in the last version.
fn changed_slots(last: &[u8], file: &[u8], slots: u32) -> usize {
    let slot = |file: &[u8], number: usize| {
        let start = number * SLOT_BYTES as usize;
        file.get(start..start + SLOT_BYTES as usize).map(<[u8]>::to_vec)
    };
    (0..slots as usize)
        .filter(|&number| slot(last, number) != slot(file, number))
        .count()
}

#[test]
fn a_stream_is_cut_the_same_however_it_comes() {
    let stream = pattern(3_000_000, 5);
    assert_eq!(chunks(&stream, 1000), chunks(&stream, 3_000_000));
    assert_eq!(chunks(&stream, 70_000).concat(), stream);
    assert!(
        chunks(&stream, 1000)
            .iter()
            .all(|chunk| chunk.len() <= SLOT_BYTES as usize)
    );
    assert!(chunks(b"", 1).is_empty());
}

#[test]
fn after_an_insertion_nearly_all_lies_where_it_lay() {
    let stream = pattern(20 << 20, 6);
    let (index, file) = laid_out(&stream, None);
    let mut changed = stream.clone();
    changed.splice(7_000_001..7_000_001, b"one more row\n".iter().copied());
    let (after, file_after) = laid_out(&changed, Some((&index, &file)));
    assert_eq!(unpacked(&file_after).unwrap(), changed);
    let moved = changed_slots(&file, &file_after, after.slots);
    assert!(moved <= 3, "{moved} of {} slots have changed", after.slots);
}

#[test]
fn what_repeats_is_kept_once_and_room_is_used_again() {
    let once = pattern(4 << 20, 7);
    let (index, file) = laid_out(&[once.clone(), once.clone()].concat(), None);
    assert!(index.slots < 75, "{} slots", index.slots);
    assert_eq!(unpacked(&file).unwrap().len(), 8 << 20);
    // Slots of what has gone are free in the version after that.
    let (mut last, mut stored) = (index, file);
    for seed in 0..10 {
        let next = pattern(4 << 20, 100 + seed);
        let (index, file) = laid_out(&next, Some((&last, &stored)));
        assert_eq!(unpacked(&file).unwrap(), next);
        assert!(index.slots < 180, "{} slots", index.slots);
        (last, stored) = (index, file);
    }
}

#[test]
fn a_file_whose_stream_has_become_short_becomes_short_too() {
    let long = pattern(40 << 20, 11);
    let (index, file) = laid_out(&long, None);
    // From the end, so that what stays lies far behind.
    let short = &long[38 << 20..];
    let (index, file) = laid_out(short, Some((&index, &file)));
    assert!(index.slots > 400);
    let (index, file) = laid_out(short, Some((&index, &file)));
    assert!(index.slots < 130, "{} slots", index.slots);
    assert_eq!(unpacked(&file).unwrap(), short);
    let (same, file) = laid_out(short, Some((&index, &file)));
    assert_eq!(same, index);
    assert_eq!(unpacked(&file).unwrap(), short);
}

#[test]
fn damage_is_found_wherever_it_is() {
    let (index, file) = laid_out(&pattern(1 << 20, 8), None);
    for at in [0, 5000, file.len() - 1, file.len() - 100, file.len() - 150] {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        assert!(unpacked(&damaged).is_err(), "at {at}");
    }
    for len in [0, 10, 103, file.len() - 1, file.len() - 40] {
        assert!(unpacked(&file[..len]).is_err(), "{len} bytes");
    }
    assert!(unpacked(&[&file[..], b"x"].concat()).is_err());
    // What lies in no chunk does not matter.
    let last = index.chunks[0];
    let mut harmless = file;
    harmless[last.len_bytes as usize] ^= 1;
    assert!(unpacked(&harmless).is_ok());
}

#[test]
fn what_is_no_aligned_stream_is_told_from_a_damaged_one() {
    assert!(matches!(unpacked(&[1; 500]), Err(AlignedError::NotAligned)));
    let (_, mut file) = laid_out(b"short", None);
    let version = file.len() - 104 + 8;
    file[version] = 9;
    assert!(matches!(
        unpacked(&file),
        Err(AlignedError::Version { version: 9 })
    ));
}

/// Files of version 1 as they were written first; they must be readable for ever.
#[test]
fn a_file_of_version_1_is_read() {
    let (_, file) = laid_out(b"a short stream\n", None);
    assert_eq!(file.len(), 131_072 + 40 + 104);
    let hash = manifest::ContentHash::of(&file).to_string();
    assert_eq!(
        hash,
        "7c9cf3b884f1f1c321d95450062bb695f4bb399ece8c34ac08db6ea6f6a5cb77"
    );
    assert_eq!(unpacked(&file).unwrap(), b"a short stream\n");
    let (_, empty) = laid_out(b"", None);
    assert_eq!(empty.len(), 104);
    assert_eq!(unpacked(&empty).unwrap(), b"");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nonsense_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Index::decode(&bytes).is_err());
    }

    #[test]
    fn a_damaged_index_is_refused(at in 0usize..300, bit in 0u8..8) {
        let (index, _) = laid_out(&pattern(300_000, 9), None);
        let mut bytes = index.encode();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(Index::decode(&bytes).is_err());
    }

    #[test]
    fn streams_that_change_come_back(edits in prop::collection::vec((0usize..2_000_000, 0usize..300_000, any::<u8>()), 1..6)) {
        let mut stream = pattern(1_500_000, 10);
        let (mut index, mut file) = laid_out(&stream, None);
        for (at, len, byte) in edits {
            let at = at.min(stream.len());
            let end = (at + len).min(stream.len());
            stream.splice(at..end, std::iter::repeat_n(byte, len / 2));
            (index, file) = laid_out(&stream, Some((&index, &file)));
            prop_assert_eq!(&unpacked(&file).unwrap(), &stream);
        }
    }
}
