//! Streams of all lengths, sent to a server in memory, from scratch and after another version.

use file_tree::FileType;
use manifest::Metadata;
use proptest::prelude::*;

use super::*;
use crate::backup::fake::{FakeServer, metadata, pattern, stat};

/// A stream in memory that comes in small parts and may break at its end.
struct FakeStream {
    content: Vec<u8>,
    at: usize,
    alignment: Alignment,
    breaks: bool,
}

impl StreamReader for FakeStream {
    fn metadata(&self) -> Metadata {
        metadata(&stat(FileType::File, 0, 0, 0))
    }

    fn alignment(&self) -> Alignment {
        self.alignment
    }

    fn read(&mut self, buffer: &mut [u8], _: &dyn Fn() -> bool) -> Result<usize, StreamError> {
        let rest = &self.content[self.at..];
        if rest.is_empty() && self.breaks {
            return Err(StreamError::HeldOpen);
        }
        let len = rest.len().min(buffer.len()).min(60_000);
        buffer[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

/// A version of a file that the server has.
struct Version {
    stored: Vec<u8>,
    base: BaseVersion,
    index: Option<Index>,
    sent_bytes: usize,
}

fn send(content: &[u8], alignment: Alignment, last: Option<&Version>) -> Version {
    let mut stream = FakeStream {
        content: content.to_vec(),
        at: 0,
        alignment,
        breaks: false,
    };
    let mut server = FakeServer::default();
    server.bases.extend(last.map(|last| (1, last.stored.clone())));
    let setting = Setting {
        sink: &mut server,
        file: FileId(1),
        base: last.map(|last| &last.base),
        last: last.and_then(|last| last.index.as_ref()),
        is_wanted: &|| true,
        progress: &|_| {},
    };
    let streamed = send_stream(&mut stream, setting).unwrap();
    let sent = streamed.content;
    let end = wire::v1::FileEnd::default();
    PieceWriter::begin(&mut server, FileId(1), PieceStart::None)
        .finish_at(sent.size, end)
        .unwrap();
    let mut stored = server.ended[&1].clone().unwrap().content;
    stored.truncate(sent.size as usize);
    assert_eq!(stored.len() as u64, sent.size);
    let mut hasher = BlockHasher::new();
    hasher.update(&stored);
    let hashed = hasher.finish();
    assert_eq!(sent.hash, hashed.hash);
    assert_eq!(sent.block_hashes, hashed.block_hashes);
    let base = BaseVersion {
        size: sent.size,
        hash: sent.hash,
        block_hashes: sent.block_hashes,
    };
    Version {
        stored,
        base,
        index: streamed.index.map(|index| Index::decode(&index).unwrap()),
        sent_bytes: server.data_bytes,
    }
}

fn given_back(version: &Version) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(&version.stored, 0).unwrap();
    let mut out = Vec::new();
    crate::aligned::unpack(&file, &mut out).unwrap();
    out
}

#[test]
fn a_plain_stream_is_stored_as_it_came_whatever_its_length() {
    let mib = HEAD_BYTES;
    for len in [0, 1, 131_072, mib - 1, mib, mib + 1, mib + 131_072, 3 * mib + 77] {
        let content = pattern(len, 3);
        assert_eq!(
            send(&content, Alignment::Off, None).stored,
            content,
            "{len} bytes"
        );
    }
}

#[test]
fn a_plain_stream_sends_the_blocks_that_have_changed_in_place() {
    let mut content = pattern(5 << 20, 4);
    let first = send(&content, Alignment::Off, None);
    let same = send(&content, Alignment::Off, Some(&first));
    assert_eq!((same.sent_bytes, &same.stored), (0, &content));
    content[2_000_000] ^= 1;
    content.extend_from_slice(&pattern(10_000, 5));
    let second = send(&content, Alignment::Off, Some(&first));
    assert_eq!(second.sent_bytes, 131_072 + 10_000);
    assert_eq!(second.stored, content);
}

#[test]
fn a_stream_that_has_become_short_is_sent_anew() {
    let first = send(&pattern(5 << 20, 6), Alignment::Off, None);
    for len in [0, 100, 200_000, 2 << 20] {
        let content = pattern(len, 7);
        assert_eq!(send(&content, Alignment::Off, Some(&first)).stored, content);
    }
    let first = send(&pattern(5 << 20, 6), Alignment::Blocks, None);
    for len in [0, 100, 200_000, 2 << 20] {
        let content = pattern(len, 7);
        assert_eq!(
            given_back(&send(&content, Alignment::Blocks, Some(&first))),
            content
        );
    }
}

#[test]
fn an_aligned_stream_sends_what_is_new_wherever_it_comes() {
    let mut content = pattern(20 << 20, 8);
    let first = send(&content, Alignment::Blocks, None);
    assert!(first.sent_bytes < content.len() + 20_000, "holes are not sent");
    content.splice(5_000_000..5_000_000, *b"a row that was not there");
    let second = send(&content, Alignment::Blocks, Some(&first));
    assert_eq!(given_back(&second), content);
    assert!(
        second.sent_bytes < 500_000,
        "{} bytes were sent",
        second.sent_bytes
    );
}

#[test]
fn without_its_index_an_aligned_stream_is_laid_out_anew() {
    let mut content = pattern(8 << 20, 9);
    let mut first = send(&content, Alignment::Blocks, None);
    first.index = None;
    content.splice(4 << 20..4 << 20, *b"row");
    let second = send(&content, Alignment::Blocks, Some(&first));
    assert_eq!(given_back(&second), content);
    assert!(
        second.sent_bytes < 8 << 20,
        "the part before the insertion is shared"
    );
}

#[test]
fn an_index_that_lies_costs_only_what_it_lies_about() {
    let content = pattern(8 << 20, 10);
    let mut first = send(&content, Alignment::Blocks, None);
    let index = first.index.as_mut().unwrap();
    index.chunks.reverse();
    let hashes: Vec<_> = index.chunks.iter().map(|chunk| chunk.hash).collect();
    for (chunk, hash) in index.chunks.iter_mut().rev().zip(hashes) {
        chunk.hash = hash;
    }
    let second = send(&content, Alignment::Blocks, Some(&first));
    assert_eq!(given_back(&second), content);
    let index = first.index.as_mut().unwrap();
    index.chunks.iter_mut().for_each(|chunk| chunk.slot = 3);
    let second = send(&content, Alignment::Blocks, Some(&first));
    assert_eq!(given_back(&second), content);
}

#[test]
fn a_stream_that_breaks_is_an_error_however_much_has_come() {
    for len in [0, 100, 3 << 20] {
        let mut stream = FakeStream {
            content: pattern(len, 11),
            at: 0,
            alignment: Alignment::Off,
            breaks: true,
        };
        let mut server = FakeServer::default();
        let setting = Setting {
            sink: &mut server,
            file: FileId(1),
            base: None,
            last: None,
            is_wanted: &|| true,
            progress: &|_| {},
        };
        let broken = send_stream(&mut stream, setting);
        assert!(matches!(broken, Err(ReadError::Stream(StreamError::HeldOpen))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn versions_of_a_stream_come_back(
        edits in prop::collection::vec((0usize..4_000_000, 0usize..600_000, any::<u64>()), 1..5),
        is_aligned in any::<bool>(),
    ) {
        let alignment = if is_aligned { Alignment::Blocks } else { Alignment::Off };
        let mut content = pattern(3_000_000, 12);
        let mut last = send(&content, alignment, None);
        for (at, len, seed) in edits {
            let at = at.min(content.len());
            let end = (at + len).min(content.len());
            content.splice(at..end, pattern(len / 2 + 1, seed));
            last = send(&content, alignment, Some(&last));
            if is_aligned {
                prop_assert_eq!(&given_back(&last), &content);
            } else {
                prop_assert_eq!(&last.stored, &content);
            }
        }
    }
}
