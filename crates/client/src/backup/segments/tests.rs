//! Tests of the module above.

use std::sync::atomic::{AtomicUsize, Ordering};

use manifest::ContentHash;
use manifest::content::BlockHasher;

use super::*;
use crate::backup::fake::{FakeFile, pattern};

fn collect(file: &FakeFile, threads: usize) -> (u64, Vec<u8>, Vec<BlockHash>) {
    let layout = Layout::of(file, file.size()).unwrap();
    let (mut bytes, mut blocks) = (Vec::new(), Vec::new());
    let size = for_each_segment(file, &layout, threads, &mut |segment| {
        segment.each_run(&mut |run| bytes.extend_from_slice(run));
        blocks.extend_from_slice(&segment.blocks);
        Ok(())
    });
    (size.unwrap(), bytes, blocks)
}

#[test]
fn one_thread_and_many_read_the_same() {
    for size in [1 << 20, (9 << 20) + 5, (20 << 20) + 131_073] {
        let file = FakeFile::new(pattern(size, 3));
        let mut hasher = BlockHasher::new();
        hasher.update(&file.content());
        let hashed = hasher.finish();
        for threads in [1, 2, 5] {
            let (read_bytes, bytes, blocks) = collect(&file, threads);
            assert_eq!(read_bytes, size as u64);
            assert!(bytes == file.content(), "{size} bytes, {threads} threads");
            assert_eq!(&*hashed.block_hashes, blocks);
        }
    }
}

#[test]
fn holes_are_not_read_but_hashed() {
    let size = 12 << 20;
    let mut content = vec![0; size];
    content[3_000_000..3_000_100].fill(7);
    let mut file = FakeFile::new(content);
    file.data = Some(std::iter::once(2_998_272..3_002_368).collect());
    for threads in [1, 3] {
        file.read_bytes = AtomicUsize::new(0);
        let (_, bytes, blocks) = collect(&file, threads);
        assert!(bytes == file.content());
        assert_eq!(
            ContentHash::from_blocks(size as u64, &blocks),
            Some(ContentHash::of(&file.content()))
        );
        assert_eq!(file.read_bytes.load(Ordering::Relaxed), 4096);
    }
}

#[test]
fn a_file_that_ends_early_ends_the_reading() {
    for (size, threads) in [(5 << 20, 1), (30 << 20, 3)] {
        let mut file = FakeFile::new(pattern(size, 1));
        let layout = Layout::of(&file, file.size()).unwrap();
        file.cut(size / 2 + 7);
        let read = for_each_segment(&file, &layout, threads, &mut |_| Ok(())).unwrap();
        assert_eq!(read, size as u64 / 2 + 7);
    }
}

#[test]
fn an_error_in_the_middle_ends_all_threads() {
    let file = FakeFile::new(pattern(20 << 20, 1));
    let layout = Layout::of(&file, file.size()).unwrap();
    let mut segments = 0;
    let outcome = for_each_segment(&file, &layout, 3, &mut |_| {
        segments += 1;
        if segments == 4 {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    });
    assert!(matches!(outcome, Err(ReadError::Session(Error::Cancelled))));
    let mut file = file;
    file.fails_at = Some(10 << 20);
    let outcome = for_each_segment(&file, &layout, 3, &mut |_| Ok(()));
    assert!(matches!(outcome, Err(ReadError::File(_))));
}

#[test]
fn parts_cover_a_range_without_gap() {
    let layout = Layout::new(100, vec![10..20, 30..40, 90..200]);
    assert_eq!(layout.parts(0..10), [Part::Hole(0..10)]);
    assert_eq!(layout.parts(12..15), [Part::Data(12..15)]);
    let all = [
        Part::Hole(0..10),
        Part::Data(10..20),
        Part::Hole(20..30),
        Part::Data(30..40),
        Part::Hole(40..90),
        Part::Data(90..100),
    ];
    assert_eq!(layout.parts(0..100), all);
    assert_eq!(Layout::new(5, Vec::new()).parts(0..5), [Part::Hole(0..5)]);
}
