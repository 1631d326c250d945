//! The walk against a naive model: the operations, applied to the base, give the manifest that a walk without
//! base gives.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use file_tree::FileType;
use manifest::assemble::{Assembler, Outcome};
use manifest::{
    BackupKind, Conclusion, ContentHash, DirRecord, Entry, Header, Kind, Reader, Timestamp, Writer,
};
use proptest::prelude::*;

use super::super::merge::Mode;
use super::*;
use crate::backup::fake::{FakeSource, Node, stat};

const SMALL_BYTES: u64 = 16 << 10;

/// What a walk led to.
struct Collected {
    ops: RefCell<Vec<Op>>,
    assembler: RefCell<Option<Assembler<Vec<u8>>>>,
    problems: RefCell<Vec<Problem>>,
    /// Files, to be completed once all is announced.
    files: RefCell<Vec<PlannedFile>>,
}

impl Collected {
    fn new() -> Self {
        let header = Header {
            client: "c".into(),
            name: "n".into(),
            kind: BackupKind::Full,
            started: Timestamp::default(),
            base: None,
            sources: Vec::new(),
            server_id: "s".into(),
        };
        let assembler = Assembler::new(Writer::create(Vec::new(), &header).unwrap());
        Self {
            ops: RefCell::default(),
            assembler: RefCell::new(Some(assembler)),
            problems: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Completes the files, in reverse, and ends the manifest.
    fn manifest(&self) -> Reader<Vec<u8>> {
        let mut assembler = self.assembler.take().unwrap();
        for file in self.files.take().into_iter().rev() {
            assembler
                .complete(file.id, Outcome::Stored(completed(&file.entry)))
                .unwrap();
        }
        let (_, bytes) = assembler.finish(&Conclusion::default()).unwrap();
        Reader::open(bytes).unwrap()
    }
}

/// A file's hash in these tests follows from its metadata.
fn completed(entry: &Entry) -> Entry {
    let seed = format!("{} {:?}", entry.metadata.ino, entry.metadata.mtime);
    Entry {
        kind: Kind::file(entry.size(), ContentHash::of(seed.as_bytes()), Arc::default()),
        ..entry.clone()
    }
}

impl Destination for Collected {
    fn wait_for_room(&self, _files: usize) -> Result<()> {
        Ok(())
    }
    fn operation(&self, op: &Op) -> Result<()> {
        if let Op::Dir(delta) = op {
            let announced = self.files.borrow();
            let is_announced = |id| announced.iter().any(|file| file.id == id);
            let mut asked = delta.upserts.iter().filter_map(|upsert| upsert.pending);
            assert!(asked.all(is_announced), "the server may answer at once");
        }
        self.ops.borrow_mut().push(op.clone());
        Ok(())
    }
    fn same(&self, record: &RawRecord) -> Result<()> {
        Ok(self.assembler.borrow_mut().as_mut().unwrap().push_raw(record)?)
    }
    fn changed(&self, record: DirRecord, pending: &[(usize, FileId)]) -> Result<()> {
        Ok(self
            .assembler
            .borrow_mut()
            .as_mut()
            .unwrap()
            .push(record, pending)?)
    }
    fn announce(&self, _dir: &SourceDir, files: Vec<PlannedFile>) {
        self.files.borrow_mut().extend(files);
    }
    fn report(&self, problem: &Problem) {
        self.problems.borrow_mut().push(problem.clone());
    }
    fn seen(&self, _dir: &SourceDir, _step: &Step) {}
}

fn scan(source: &FakeSource, base: Option<&Reader<Vec<u8>>>, mode: Mode) -> Result<Collected> {
    let collected = Collected::new();
    let merge = Merge::new(mode, SMALL_BYTES, Arc::default());
    let records: BaseRecords = match base {
        Some(reader) => Box::new(reader.raw_records().collect::<Vec<_>>().into_iter()),
        None => Box::new(std::iter::empty()),
    };
    Scan::over(&collected, merge, records).run(source)?;
    Ok(collected)
}

/// Applies operations in the simplest way that is right.
fn applied(ops: &[Op], base: Option<&Reader<Vec<u8>>>) -> Vec<DirRecord> {
    let mut rest: Vec<DirRecord> = base
        .map(|base| base.records().map(Result::unwrap).collect())
        .unwrap_or_default();
    let mut records = Vec::new();
    for op in ops {
        match op {
            Op::Same { dirs } => records.extend(rest.drain(..*dirs as usize)),
            Op::Drop { dirs } => drop(rest.drain(..*dirs as usize)),
            Op::Dir(delta) => {
                let of_base = rest
                    .first()
                    .is_some_and(|record| record.path == delta.path)
                    .then(|| rest.remove(0));
                assert!(
                    rest.first()
                        .is_none_or(|next| compare_paths(&next.path, &delta.path).is_gt())
                );
                assert_eq!(delta.metadata.is_none(), delta.path.is_empty());
                let mut record = delta.apply(of_base.as_ref()).unwrap();
                for (place, _) in record.pending {
                    record.record.entries[place] = completed(&record.record.entries[place]);
                }
                records.push(record.record);
            }
        }
    }
    assert!(rest.is_empty(), "every base directory is accounted for");
    records
}

fn records(manifest: &Reader<Vec<u8>>) -> Vec<DirRecord> {
    manifest.records().map(Result::unwrap).collect()
}

/// One of few names, so that trees meet.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec!["a", "a!", "b", "a.b", "z", "\u{fc}"]).prop_map(|name| name.as_bytes().to_vec())
}

fn leaf() -> impl Strategy<Value = Node> {
    let size = prop::sample::select(vec![0u64, 10, SMALL_BYTES + 1, 2 << 20]);
    prop_oneof![
        6 => (10u64..40, size, 0u32..2).prop_map(|(ino, size, version)| Node::File {
            stat: stat(FileType::File, ino, size, version),
            content: Vec::new(),
        }),
        // The same inode always looks the same, whatever its names.
        2 => (50u64..53).prop_map(|ino| {
            let mut stat = stat(FileType::File, ino, 20, 0);
            stat.nlink = 3;
            Node::File { stat, content: Vec::new() }
        }),
        1 => (60u64..63).prop_map(|ino| Node::Symlink {
            stat: stat(FileType::Symlink, ino, 4, 0),
            target: format!("to{ino}").into_bytes(),
        }),
        1 => Just(Node::Socket { stat: stat(FileType::Socket, 70, 0, 0) }),
    ]
}

fn tree() -> impl Strategy<Value = BTreeMap<Vec<u8>, Node>> {
    let dir = |children: BTreeMap<Vec<u8>, Node>, ino, version| Node::Dir {
        stat: stat(FileType::Directory, ino, 0, version),
        children,
    };
    let node = leaf().prop_recursive(4, 40, 5, move |node| {
        (
            prop::collection::btree_map(name(), node, 0..5),
            100u64..110,
            0u32..2,
        )
            .prop_map(move |(children, ino, version)| dir(children, ino, version))
    });
    let source = (prop::collection::btree_map(name(), node, 1..5), 1u64..3)
        .prop_map(move |(children, ino)| dir(children, ino, 0));
    prop::collection::btree_map(name(), source, 1..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn operations_lead_from_the_base_to_the_manifest(before in tree(), after in tree(), full: bool) {
        let (before, after) = (FakeSource::new(before), FakeSource::new(after));
        let mode = if full { Mode::Full } else { Mode::Incremental };
        let base = scan(&before, None, Mode::Full).unwrap();
        prop_assert_eq!(applied(&base.ops.borrow(), None), records(&Reader::clone(&base.manifest())));
        let base = scan(&before, None, Mode::Full).unwrap().manifest();
        let fresh = scan(&after, None, Mode::Full).unwrap().manifest();
        let grown = scan(&after, Some(&base), mode).unwrap();
        let by_ops = applied(&grown.ops.borrow(), Some(&base));
        let manifest = grown.manifest();
        prop_assert_eq!(&by_ops, &records(&manifest));
        prop_assert_eq!(by_ops, records(&fresh));
        prop_assert_eq!(manifest.digest(), fresh.digest());
    }

    #[test]
    fn nothing_changed_is_one_word(tree in tree()) {
        let source = FakeSource::new(tree);
        let base = scan(&source, None, Mode::Full).unwrap().manifest();
        let again = scan(&source, Some(&base), Mode::Incremental).unwrap();
        let dirs = base.totals().directories;
        prop_assert_eq!(again.ops.take(), vec![Op::Same { dirs }]);
        prop_assert_eq!(again.manifest().digest(), base.digest());
    }
}

fn one_source(ino: u64, children: BTreeMap<Vec<u8>, Node>) -> FakeSource {
    let root = Node::Dir {
        stat: stat(FileType::Directory, ino, 0, 0),
        children,
    };
    FakeSource::new(BTreeMap::from([(b"s".to_vec(), root)]))
}

#[test]
fn a_source_that_seems_not_to_be_mounted_fails() {
    let file = Node::File {
        stat: stat(FileType::File, 5, 1, 0),
        content: Vec::new(),
    };
    let full = one_source(2, BTreeMap::from([(b"f".to_vec(), file)]));
    let base = scan(&full, None, Mode::Full).unwrap().manifest();
    let unmounted = scan(&one_source(3, BTreeMap::new()), Some(&base), Mode::Incremental);
    assert!(matches!(unmounted, Err(Error::SourceEmptied { .. })));
    // The same directory may well be emptied.
    assert!(scan(&one_source(2, BTreeMap::new()), Some(&base), Mode::Incremental).is_ok());
}
