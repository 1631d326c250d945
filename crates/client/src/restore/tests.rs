//! Restores of real trees, with a server that is a function.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use manifest::assemble::{Assembler, Outcome};
use manifest::{BackupKind, Conclusion, DirRecord, Entry, Header, Kind, Timestamp, Writer};
use parking_lot::Mutex;
use wire::v1::restore_request::Request;
use wire::v1::{FileEnd, Piece, Range, WantedFile};

use super::*;
use crate::backup::fake::pattern;
use crate::backup::{full_listing, hash_content};
use crate::monitor::{Problem, ProblemKind};
use crate::settings::{Settings, SnapshotSetting, SourceSettings};
use crate::source::{BackupSource as _, LocalSource};

#[derive(Default)]
struct Problems(Mutex<Vec<Problem>>);

impl Monitor for Problems {
    fn problem(&self, problem: &Problem) {
        self.0.lock().push(problem.clone());
    }
}

/// A source tree, a target and what a restore needs.
struct Lab {
    source: tempfile::TempDir,
    target: tempfile::TempDir,
    state: tempfile::TempDir,
    problems: Arc<Problems>,
    /// What the server gives for a file instead of its content.
    damage: Option<&'static str>,
}

/// What was asked for: paths, and the bytes of each.
type Asked = Vec<(String, u64)>;

impl Lab {
    fn new() -> Self {
        let temporary = || tempfile::tempdir().unwrap();
        let lab = Self {
            source: temporary(),
            target: temporary(),
            state: temporary(),
            problems: Arc::default(),
            damage: None,
        };
        lab.plant();
        lab
    }

    fn plant(&self) {
        let at = |path: &str| self.source.path().join(path);
        for dir in ["a/b/c", "d", "private"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        fs::write(at("empty"), "").unwrap();
        fs::write(at("a/small"), "content").unwrap();
        fs::write(at("a/b/c/middle"), pattern(300_000, 1)).unwrap();
        fs::write(at("d/large"), pattern(3 << 20, 2)).unwrap();
        let sparse = File::create(at("d/sparse")).unwrap();
        sparse.write_all_at(b"begin", 0).unwrap();
        sparse.write_all_at(b"end", 2 << 20).unwrap();
        sparse.set_len(4 << 20).unwrap();
        symlink("../nowhere", at("a/link")).unwrap();
        fs::hard_link(at("a/small"), at("d/another name")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o640),
            0,
        )
        .unwrap();
        fs::set_permissions(at("a/small"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(at("private"), fs::Permissions::from_mode(0o500)).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
        for path in ["a/small", "d/large", "a/b", "d"] {
            File::open(at(path)).unwrap().set_modified(old).unwrap();
        }
    }

    fn restore(&self) -> Restore {
        Restore {
            backup: BackupRef::default(),
            path: b"s".to_vec(),
            links: Links::All,
            target: self.target.path().to_owned(),
            on_conflict: OnConflict::default(),
            extra: Extra::default(),
            compare: Compare::default(),
            owners: OwnerMapping::default(),
            cache: Arc::new(Cache::open(self.state.path()).unwrap()),
            monitor: Arc::clone(&self.problems) as Arc<dyn Monitor>,
            cancel: Cancel::new(),
        }
    }

    /// Restores what the source holds now.
    fn run(&self, restore: &Restore) -> (Result<Restored>, Asked) {
        let reader = listed(self.source.path(), self.state.path());
        let (requests, mut queue) = mpsc::channel(8);
        let state = State::new(state::Beginning {
            key: Vec::new(),
            connections: 0,
            dialler: crate::DataDialler::nowhere(),
            monitor: Arc::clone(&restore.monitor),
            requests,
            target: restore.open_target().unwrap(),
            owners: restore.owners,
            names: Names::system(),
        });
        let mut asked = Asked::new();
        let outcome = std::thread::scope(|scope| {
            let driver = scope.spawn(|| restore.drive(&state, &reader).map_err(|error| state.fail(error)));
            let mut receiver = receive::Receiver::new(&state);
            while !driver.is_finished() {
                let Ok(request) = queue.try_recv() else {
                    std::thread::yield_now();
                    continue;
                };
                let Some(Request::Wanted(wanted)) = request.request else {
                    continue;
                };
                for file in wanted.files {
                    self.serve(&file, &mut receiver, &mut asked);
                }
            }
            driver.join().unwrap()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = outcome
            .map(|()| state.summary())
            .map_err(|()| runtime.block_on(state.abort.cause()));
        (outcome, asked)
    }

    fn serve(&self, wanted: &WantedFile, receiver: &mut receive::Receiver<'_>, asked: &mut Asked) {
        let path = String::from_utf8(wanted.path.clone()).unwrap();
        let mut content = fs::read(self.source.path().join(path.strip_prefix("s/").unwrap())).unwrap();
        if self.damage.is_some_and(|damaged| path.ends_with(damaged)) {
            content[0] ^= 1;
        }
        let whole = Range {
            offset_bytes: 0,
            len_bytes: content.len() as u64,
        };
        let ranges = if wanted.ranges.is_empty() {
            vec![whole]
        } else {
            wanted.ranges.clone()
        };
        asked.push((path, ranges.iter().map(|range| range.len_bytes).sum()));
        for range in ranges {
            let end = (range.offset_bytes + range.len_bytes) as usize;
            let mut at = range.offset_bytes as usize;
            while at < end {
                let bytes = &content[at..end.min(at + 100_000)];
                // Runs of zeros travel as holes.
                let is_hole = bytes.iter().all(|byte| *byte == 0);
                let piece = Piece {
                    file_id: wanted.file_id,
                    offset_bytes: at as u64,
                    hole_len_bytes: if is_hole { bytes.len() as u64 } else { 0 },
                    ..Piece::default()
                };
                receiver.take(&piece, if is_hole { b"" } else { bytes }).unwrap();
                at += bytes.len();
            }
        }
        let end = Piece {
            file_id: wanted.file_id,
            end: Some(FileEnd::default()),
            ..Piece::default()
        };
        receiver.take(&end, b"").unwrap();
    }

    fn restored(&self, restore: &Restore) -> (Restored, Asked) {
        let (outcome, asked) = self.run(restore);
        (outcome.unwrap(), asked)
    }

    #[track_caller]
    fn check_equal(&self) {
        let of = |path: &Path| comparable(&listed(path, self.state.path()));
        assert_eq!(of(self.source.path()), of(self.target.path()));
        assert!(self.problems.0.lock().is_empty(), "{:?}", self.problems.0.lock());
    }
}

/// The manifest of a tree, as its source `s`.
fn listed(tree: &Path, state: &Path) -> Reader {
    let mut settings = SourceSettings::new("s", tree);
    settings.snapshot = SnapshotSetting::Off;
    let source = LocalSource::new(&Settings {
        sources: vec![settings],
        ..Settings::default()
    })
    .unwrap();
    let held = source.begin(&crate::Unmonitored).unwrap();
    let header = Header {
        client: "c".into(),
        name: "n".into(),
        kind: BackupKind::Full,
        started: Timestamp::default(),
        base: None,
        sources: Vec::new(),
        server_id: "s".into(),
    };
    let file = tempfile::tempfile_in(state).unwrap();
    let mut assembler = Assembler::new(Writer::create(file.try_clone().unwrap(), &header).unwrap());
    for (record, pending, reader, stats) in full_listing(&*held) {
        assembler.push(record.clone(), &pending).unwrap();
        for ((place, id), stat) in pending.into_iter().zip(stats) {
            let entry = &record.entries[place];
            let open = reader.open(&entry.name, &stat).unwrap();
            let content = hash_content(&*open, &stat, 1, &mut Vec::new()).unwrap();
            let kind = Kind::file(content.size, content.hash, content.block_hashes);
            assembler
                .complete(
                    id,
                    Outcome::Stored(Entry {
                        kind,
                        ..entry.clone()
                    }),
                )
                .unwrap();
        }
    }
    assembler.finish(&Conclusion::default()).unwrap();
    Reader::open(file).unwrap()
}

/// Everything in a manifest that a restore brings back.
fn comparable(reader: &Reader) -> Vec<DirRecord> {
    let plain = |mut entry: Entry| {
        entry.metadata.ino = 0;
        entry.metadata.ctime = Timestamp::default();
        entry
    };
    let record = |record: manifest::Result<DirRecord>| {
        let DirRecord { path, entries } = record.unwrap();
        DirRecord {
            path,
            entries: entries.into_iter().map(plain).collect(),
        }
    };
    reader.records().map(record).collect()
}

#[test]
fn a_tree_comes_back_as_it_was_and_a_second_restore_asks_for_nothing() {
    let lab = Lab::new();
    let (restored, asked) = lab.restored(&lab.restore());
    lab.check_equal();
    assert_eq!((restored.files_written, restored.files_kept), (5, 0));
    assert!(asked.iter().all(|(path, _)| path != "s/d/another name"));
    let sparse = fs::metadata(lab.target.path().join("d/sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "holes stay holes");
    let (again, asked) = lab.restored(&lab.restore());
    assert_eq!((again.files_written, again.files_kept, asked.len()), (0, 5, 0));
    lab.check_equal();
}

#[test]
fn only_blocks_that_differ_are_asked_for() {
    let lab = Lab::new();
    lab.restored(&lab.restore());
    let large = File::options()
        .write(true)
        .open(lab.target.path().join("d/large"))
        .unwrap();
    large.write_all_at(&[0xaa; 10], 1 << 20).unwrap();
    large.set_len((3 << 20) - 5).unwrap();
    drop(large);
    let (restored, asked) = lab.restored(&lab.restore());
    assert_eq!(asked, [("s/d/large".to_owned(), 2 * 128 * 1024)]);
    assert_eq!((restored.files_written, restored.files_kept), (1, 4));
    lab.check_equal();
}

#[test]
fn what_only_looks_right_is_found_by_content() {
    let lab = Lab::new();
    lab.restored(&lab.restore());
    let small = lab.target.path().join("a/small");
    let modified = fs::metadata(&small).unwrap().modified().unwrap();
    fs::write(&small, "CONTENT").unwrap();
    File::open(&small).unwrap().set_modified(modified).unwrap();
    assert_eq!(lab.restored(&lab.restore()).1, []);
    let by_content = Restore {
        compare: Compare::Content,
        ..lab.restore()
    };
    assert_eq!(lab.restored(&by_content).1.len(), 1);
    lab.check_equal();
}

#[test]
fn an_interrupted_large_file_is_gone_on_with() {
    let lab = Lab::new();
    let reader = listed(lab.source.path(), lab.state.path());
    let large = reader.lookup(b"s/d/large").unwrap().unwrap();
    let name = incoming::temporary_name(&large, 9);
    let dir = lab.target.path().join("d");
    fs::create_dir(&dir).unwrap();
    let partial = &pattern(3 << 20, 2)[..2 << 20];
    fs::write(dir.join(String::from_utf8(name.into()).unwrap()), partial).unwrap();
    fs::write(dir.join(".perennial-restore-77"), "stale").unwrap();
    let (_, asked) = lab.restored(&lab.restore());
    assert!(asked.contains(&("s/d/large".to_owned(), 1 << 20)));
    lab.check_equal();
}

#[test]
fn extra_entries_stay_unless_they_are_to_go() {
    let lab = Lab::new();
    let extra = lab.target.path().join("a/extra/deep");
    fs::create_dir_all(&extra).unwrap();
    lab.restored(&lab.restore());
    assert!(extra.exists());
    lab.restored(&Restore {
        extra: Extra::Delete,
        ..lab.restore()
    });
    lab.check_equal();
}

#[test]
fn links_in_the_target_are_replaced_and_never_followed() {
    let lab = Lab::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), lab.target.path().join("a")).unwrap();
    fs::write(outside.path().join("victim"), "mine").unwrap();
    symlink(outside.path().join("victim"), lab.target.path().join("empty")).unwrap();
    lab.restored(&lab.restore());
    lab.check_equal();
    assert_eq!(fs::read(outside.path().join("victim")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn files_in_the_way_are_dealt_with_as_asked() {
    let lab = Lab::new();
    fs::create_dir(lab.target.path().join("a")).unwrap();
    let small = lab.target.path().join("a/small");
    fs::write(&small, "other").unwrap();
    let fails = Restore {
        on_conflict: OnConflict::Fail,
        ..lab.restore()
    };
    let (failed, asked) = lab.run(&fails);
    assert!(matches!(failed, Err(Error::TargetConflict { path }) if *path == *b"a/small"));
    assert_eq!(
        (asked.len(), fs::read_dir(lab.target.path()).unwrap().count()),
        (0, 1)
    );

    let (skipped, _) = lab.restored(&Restore {
        on_conflict: OnConflict::Skip,
        ..lab.restore()
    });
    assert_eq!(
        (skipped.skipped, fs::read(&small).unwrap()),
        (1, b"other".to_vec())
    );

    lab.restored(&Restore {
        on_conflict: OnConflict::KeepBoth,
        ..lab.restore()
    });
    assert_eq!(fs::read(&small).unwrap(), b"content");
    assert_eq!(
        fs::read(lab.target.path().join("a/small.kept")).unwrap(),
        b"other"
    );
}

#[test]
fn a_directory_in_the_way_goes_only_with_permission() {
    let lab = Lab::new();
    fs::create_dir_all(lab.target.path().join("empty/full")).unwrap();
    lab.restored(&lab.restore());
    assert_eq!(lab.problems.0.lock()[0].kind, ProblemKind::Conflict);
    lab.problems.0.lock().clear();
    lab.restored(&Restore {
        extra: Extra::Delete,
        ..lab.restore()
    });
    lab.check_equal();
}

#[test]
fn damaged_content_is_reported_and_not_left_behind() {
    let mut lab = Lab::new();
    for damaged in ["a/small", "d/large"] {
        lab.damage = Some(damaged);
        let (restored, _) = lab.restored(&lab.restore());
        let problems = std::mem::take(&mut *lab.problems.0.lock());
        assert_eq!(problems[0].kind, ProblemKind::Corrupt, "{problems:?}");
        assert!(restored.problems > 0);
        assert!(!lab.target.path().join(damaged).exists());
        lab.damage = None;
        lab.restored(&lab.restore());
        lab.check_equal();
        fs::remove_dir_all(lab.target.path().join("d")).unwrap();
    }
}

#[test]
fn a_single_file_and_a_link_to_a_file_outside_come_back() {
    let lab = Lab::new();
    lab.restored(&Restore {
        path: b"s/d/large".to_vec(),
        ..lab.restore()
    });
    assert!(fs::read(lab.target.path().join("large")).unwrap() == pattern(3 << 20, 2));
    lab.restored(&Restore {
        path: b"s/d".to_vec(),
        ..lab.restore()
    });
    assert_eq!(
        fs::read(lab.target.path().join("another name")).unwrap(),
        b"content"
    );
    let mode = fs::metadata(lab.target.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        mode,
        fs::metadata(lab.source.path().join("d"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    );
    let missing = lab
        .run(&Restore {
            path: b"s/gone".to_vec(),
            ..lab.restore()
        })
        .0;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}
