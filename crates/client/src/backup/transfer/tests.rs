//! Tests of the module above.

use std::collections::BTreeMap;

use manifest::BLOCK_BYTES;
use manifest::content::BlockHasher;
use manifest::delta::FileId;
use parking_lot::Mutex;

use super::super::merge::{BaseVersion, PlannedFile};
use super::super::queue::Queue;
use super::*;
use crate::backup::fake::{FakeDir, FakeFile, FakeServer, FileState, Node, Stored, metadata, pattern, stat};
use crate::source::DirReader;

const NAME: &[u8] = b"file";

fn version(content: &[u8]) -> BaseVersion {
    let mut hasher = BlockHasher::new();
    hasher.update(content);
    let hashed = hasher.finish();
    BaseVersion {
        size: hashed.size,
        hash: hashed.hash,
        block_hashes: hashed.block_hashes,
    }
}

/// A reader that gives out one prepared file.
struct Prepared(Arc<Mutex<FileState>>);

impl DirReader for Prepared {
    fn seen(&self, stat: &Stat) -> manifest::Metadata {
        metadata(stat)
    }
    fn metadata(&self, _: &[u8], stat: &Stat) -> EntryResult<(manifest::Metadata, Vec<TreeError>)> {
        Ok((metadata(stat), Vec::new()))
    }
    fn own_metadata(&self, stat: &Stat) -> EntryResult<(manifest::Metadata, Vec<TreeError>)> {
        Ok((metadata(stat), Vec::new()))
    }
    fn look(&self, _: &[u8]) -> EntryResult<Stat> {
        Ok(self.0.lock().stat)
    }
    fn read_link(&self, name: &[u8]) -> EntryResult<Box<[u8]>> {
        Err(TreeError::Replaced { name: name.into() })
    }
    fn open(&self, _: &[u8], _: &Stat) -> EntryResult<Box<dyn FileReader>> {
        Ok(Box::new(FakeFile::open(&self.0)))
    }
}

fn work(reader: Arc<dyn DirReader>, stat: Stat, base: Option<BaseVersion>) -> Work {
    let entry = Entry {
        name: NAME.into(),
        metadata: metadata(&stat),
        kind: Kind::pending_file(stat.size),
    };
    let file = PlannedFile {
        id: FileId(1),
        entry,
        stat,
        base,
        detail: Detail::Seen,
    };
    let queue = Queue::new(10, 16 << 10);
    queue.announce(b"dir", &reader, vec![file]);
    match queue.take() {
        super::super::queue::Taken::Jobs(mut jobs) => jobs.remove(0).work,
        _ => {
            queue.answer(FileId(1), wire::v1::answer::Verdict::Send).unwrap();
            let super::super::queue::Taken::Jobs(mut jobs) = queue.take() else {
                panic!("no job")
            };
            jobs.remove(0).work
        }
    }
}

struct Ran {
    finished: Finished,
    problems: Vec<Problem>,
    server: FakeServer,
}

fn transfer(work: &Work, task: Task, base: Option<Vec<u8>>) -> Ran {
    let mut server = FakeServer::default();
    server.bases.extend(base.map(|base| (1, base)));
    let (mut buffer, mut problems) = (Vec::new(), Vec::new());
    let state = tempfile::tempdir().unwrap();
    let cache = Cache::open(state.path()).unwrap();
    let mut transfer = Transfer {
        sink: FileSink::new(&mut server),
        threads: 2,
        cache: &cache,
        is_wanted: &|| true,
        progress: &|_| {},
        buffer: &mut buffer,
        problems: &mut problems,
    };
    let finished = transfer.run(work, task).unwrap();
    Ran {
        finished,
        problems,
        server,
    }
}

fn entry_of(outcome: &Ran) -> &Entry {
    match &outcome.finished {
        Finished::Complete(Some(entry)) => entry,
        _ => panic!("it should be complete"),
    }
}

/// Sends `content`, which changes as given, and checks that the server has what the entry says.
fn send(content: Vec<u8>, changes: Vec<(usize, Vec<u8>)>, base: Option<Vec<u8>>) -> Ran {
    let stat = stat(FileType::File, 7, content.len() as u64, 0);
    let state = Arc::new(Mutex::new(FileState {
        content,
        stat,
        changes,
    }));
    let work = work(Arc::new(Prepared(state)), stat, base.as_deref().map(version));
    let outcome = transfer(&work, Task::Send, base);
    let entry = entry_of(&outcome);
    let Stored {
        content: mut stored,
        hash,
        entry: told,
    } = outcome.server.ended[&1].clone().expect("it is not dropped");
    stored.truncate(entry.size() as usize);
    assert_eq!(stored.len() as u64, entry.size());
    assert!(
        ContentHash::of(&stored) == entry.hash().unwrap(),
        "the content is what the entry says"
    );
    assert_eq!(hash, entry.hash().unwrap().0);
    let known = version(&stored);
    assert!(matches!(&entry.kind, Kind::File { block_hashes, .. } if *block_hashes == known.block_hashes));
    if !told.is_empty() {
        let told = manifest::decode_entry(&told).unwrap();
        assert_eq!(
            (told.metadata, told.kind.clone()),
            (
                entry.metadata.clone(),
                Kind::file(entry.size(), entry.hash().unwrap(), Arc::default())
            )
        );
    }
    outcome
}

#[test]
fn new_content_of_every_size_arrives() {
    for size in [
        0,
        1,
        16 << 10,
        200_000,
        (1 << 20) - 1,
        1 << 20,
        (3 << 20) + 17,
        (9 << 20) + 1,
    ] {
        let outcome = send(pattern(size, 1), Vec::new(), None);
        assert_eq!(outcome.server.data_bytes, size);
        assert!(outcome.problems.is_empty());
        assert_eq!(
            entry_of(&outcome).metadata,
            metadata(&stat(FileType::File, 7, size as u64, 0))
        );
    }
}

#[test]
fn content_that_the_base_has_is_not_sent() {
    for size in [0, 5000, 900_000, 2 << 20, 20 << 20] {
        let content = pattern(size, 1);
        let outcome = send(content.clone(), Vec::new(), Some(content));
        assert_eq!(outcome.server.data_bytes, 0, "{size}");
    }
}

#[test]
fn of_a_large_file_only_changed_blocks_are_sent() {
    let base = pattern(20 << 20, 1);
    let mut changed = base.clone();
    changed[5_000_000] ^= 1;
    changed[(20 << 20) - 1] ^= 1;
    assert_eq!(
        send(changed, Vec::new(), Some(base.clone())).server.data_bytes,
        2 * BLOCK_BYTES as usize
    );
    let mut grown = base.clone();
    grown.extend_from_slice(&[1; 10]);
    assert_eq!(send(grown, Vec::new(), Some(base.clone())).server.data_bytes, 10);
    let cut = base[..(5 << 20) + 1].to_vec();
    assert_eq!(send(cut, Vec::new(), Some(base.clone())).server.data_bytes, 1);
    let small = base[..500_000].to_vec();
    assert_eq!(send(small, Vec::new(), Some(base)).server.data_bytes, 500_000);
}

#[test]
fn a_file_that_changed_once_is_read_again() {
    for (size, reads) in [(5000, 1), (3 << 20, 2), (20 << 20, 5)] {
        for base in [None, Some(pattern(size, 8))] {
            let later = pattern(size + 3, 2);
            let outcome = send(pattern(size, 1), vec![(reads, later.clone())], base);
            assert!(outcome.problems.is_empty());
            let entry = entry_of(&outcome);
            assert_eq!(entry.hash(), Some(ContentHash::of(&later)));
            assert_eq!(entry.metadata.mtime.secs, 1_000_001);
        }
    }
}

#[test]
fn a_file_that_shrinks_below_a_block_while_it_is_read_ends_right() {
    let outcome = send(pattern(3 << 20, 1), vec![(1, pattern(100, 2))], None);
    assert_eq!(entry_of(&outcome).size(), 100);
}

#[test]
fn a_file_that_keeps_changing_is_kept_as_it_was_read_and_reported() {
    for size in [5000, 3 << 20] {
        let changes = (2..20).map(|seed| (1, pattern(size, seed))).collect();
        let outcome = send(pattern(size, 1), changes, None);
        assert_eq!(outcome.problems.len(), 1);
        assert_eq!(outcome.problems[0].kind, ProblemKind::ChangedWhileRead);
        assert_eq!(outcome.problems[0].path, b"dir/file");
    }
}

#[test]
fn a_file_that_is_gone_or_unreadable_is_dropped() {
    let dir: Arc<dyn DirReader> = Arc::new(FakeDir {
        children: BTreeMap::new(),
    });
    let gone = work(dir, stat(FileType::File, 7, 100, 0), None);
    let outcome = transfer(&gone, Task::Send, None);
    assert!(matches!(outcome.finished, Finished::Complete(None)));
    assert_eq!(outcome.server.ended[&1], None);
    assert_eq!(outcome.problems[0].kind, ProblemKind::Vanished);
}

#[test]
fn what_has_taken_a_files_place_is_read_instead() {
    let now = stat(FileType::File, 8, 3, 5);
    let node = Node::File {
        stat: now,
        content: b"new".to_vec(),
    };
    let dir: Arc<dyn DirReader> = Arc::new(FakeDir {
        children: BTreeMap::from([(NAME.to_vec(), node)]),
    });
    let outcome = transfer(
        &work(dir, stat(FileType::File, 7, 100, 0), None),
        Task::Send,
        None,
    );
    let entry = entry_of(&outcome);
    assert_eq!((entry.size(), entry.metadata.ino), (3, 8));
    let link = Node::Symlink {
        stat: stat(FileType::Symlink, 9, 1, 0),
        target: b"x".to_vec(),
    };
    let dir: Arc<dyn DirReader> = Arc::new(FakeDir {
        children: BTreeMap::from([(NAME.to_vec(), link)]),
    });
    let outcome = transfer(
        &work(dir, stat(FileType::File, 7, 100, 0), None),
        Task::Send,
        None,
    );
    assert!(matches!(outcome.finished, Finished::Complete(None)));
}

#[test]
fn a_hash_is_offered_unless_the_file_changed_since_it_was_announced() {
    for size in [100_000, 3 << 20] {
        let content = pattern(size, 1);
        let seen = stat(FileType::File, 7, size as u64, 0);
        let state = || FileState {
            content: content.clone(),
            stat: seen,
            changes: Vec::new(),
        };
        let prepared = Arc::new(Mutex::new(state()));
        let outcome = transfer(&work(Arc::new(Prepared(prepared)), seen, None), Task::Hash, None);
        let Finished::Offer(entry, offer) = outcome.finished else {
            panic!("it should be offered")
        };
        assert_eq!(entry.hash().unwrap().0.to_vec(), offer.hash);
        assert_eq!(offer.hash, ContentHash::of(&content).0);
        let blocks = if size < 1 << 20 {
            0
        } else {
            size.div_ceil(BLOCK_BYTES as usize)
        };
        assert_eq!(offer.block_hashes.len(), blocks * 32);
        assert_eq!(outcome.server.data_bytes, 0);

        let mut touched = state();
        touched.stat.mtime.secs += 1;
        let prepared = Arc::new(Mutex::new(touched));
        let outcome = transfer(&work(Arc::new(Prepared(prepared)), seen, None), Task::Hash, None);
        assert!(matches!(outcome.finished, Finished::Complete(Some(_))));
        assert_eq!(outcome.server.data_bytes, size);
    }
}

#[test]
fn a_change_that_is_fresh_is_not_trusted_the_next_time() {
    let mut seen = stat(FileType::File, 7, 3, 0);
    seen.ctime = now();
    let state = FileState {
        content: b"abc".to_vec(),
        stat: seen,
        changes: Vec::new(),
    };
    let work = work(Arc::new(Prepared(Arc::new(Mutex::new(state)))), seen, None);
    let outcome = transfer(&work, Task::Send, None);
    assert_eq!(entry_of(&outcome).metadata.ctime, Timestamp::default());
    assert!(!outcome.server.ended[&1].clone().unwrap().entry.is_empty());
}
