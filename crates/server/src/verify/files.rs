//! Compares the content of a backup with the hashes of its manifest.
//!
//! A backup shares most of its data with the one before. Whoever checks several of a client, one after the other, gives each the one
//! before as a reference: what lies in the same place of the device is not read again.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use disk_image::DiskSource as _;
use manifest::content::ContentHash;
use manifest::volume::StreamHasher;
use manifest::{Entry, Kind};
use parking_lot::Mutex;
use storage::BackupTree;
use wire::v1::{Problem, Progress};

use super::TOLD_PROBLEMS;
use crate::error::{Error, Result};
use crate::jobs::LiveJob;

/// Files that wait for a thread that hashes.
const QUEUED_FILES: usize = 1024;
const READ_BYTES: usize = 256 * 1024;
const TELL_EVERY: Duration = Duration::from_millis(300);

/// A backup of the same client that was checked just now: what is the same data there need not be read again.
pub struct Reference {
    name: String,
    tree: BackupTree,
    /// Paths of what is damaged there.
    damaged: HashSet<Vec<u8>>,
}

impl Reference {
    /// A backup that was checked, and what was found; `None` if not all of that was kept.
    pub fn of(name: &str, checked: &Checked, tree: BackupTree) -> Option<Self> {
        (checked.problems.len() < TOLD_PROBLEMS).then(|| Self {
            name: name.to_owned(),
            tree,
            damaged: checked
                .problems
                .iter()
                .map(|problem| problem.path.clone())
                .collect(),
        })
    }
}

/// What a check has found.
pub struct Checked {
    /// Files and volumes that were looked at.
    pub files: u64,
    /// Of these, those that are the same data as in the reference, and were not read.
    pub shared_files: u64,
    /// What was read.
    pub read_bytes: u64,
    /// What is wrong, as far as it is kept.
    pub problems: Vec<Problem>,
}

struct Check<'a> {
    tree: &'a BackupTree,
    reference: Option<&'a Reference>,
    job: &'a LiveJob,
    files: AtomicU64,
    shared_files: AtomicU64,
    bytes: AtomicU64,
    problems: Mutex<Vec<Problem>>,
}

/// An entry that is to be looked at.
struct Task {
    path: Box<[u8]>,
    entry: Entry,
    /// Whether the reference has a file of the same content there, by its manifest.
    is_in_reference: bool,
}

/// Compares all content of a backup with its hashes, blocking.
pub fn check(job: &LiveJob, tree: &BackupTree, reference: Option<&Reference>) -> Result<Checked> {
    let check = Check {
        tree,
        reference,
        job,
        files: AtomicU64::new(0),
        shared_files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        problems: Mutex::default(),
    };
    let (send, receive) = crossbeam_channel::bounded::<Task>(QUEUED_FILES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (receive, check) = (receive.clone(), &check);
            scope.spawn(move || {
                let mut buffer = vec![0; READ_BYTES];
                while let Ok(task) = receive.recv() {
                    check.entry(&task, &mut buffer);
                }
            });
        }
        drop(receive);
        check.give_out(send)
    })?;
    // A thread that was at work when somebody cancelled has left its file out.
    if job.cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    Ok(Checked {
        files: check.files.into_inner(),
        shared_files: check.shared_files.into_inner(),
        read_bytes: check.bytes.into_inner(),
        problems: check.problems.into_inner(),
    })
}

impl Check<'_> {
    /// Gives the entries to the threads that look at them, which end with the last.
    fn give_out(&self, tasks: Sender<Task>) -> Result<()> {
        let manifest = self.tree.manifest();
        let totals = *manifest.totals();
        let mut told = Instant::now();
        for record in manifest.records() {
            let record = record?;
            self.directory(&record.path);
            let known = match self.reference {
                Some(reference) => reference.tree.manifest().directory(&record.path)?,
                None => None,
            };
            let known = known.map(|known| known.entries).unwrap_or_default();
            for entry in record.entries {
                if self.job.cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let before = known.binary_search_by(|other| other.name.cmp(&entry.name));
                let before = before.ok().and_then(|at| known[at].hash());
                let task = Task {
                    path: manifest::join_path(&record.path, &entry.name),
                    is_in_reference: before.is_some() && before == entry.hash(),
                    entry,
                };
                tasks.send(task).map_err(|_| Error::Cancelled)?;
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                self.tell(totals.files, totals.bytes);
            }
        }
        Ok(())
    }

    fn entry(&self, task: &Task, buffer: &mut [u8]) {
        if task.is_in_reference && self.is_same_data(&task.path) {
            self.files.fetch_add(1, Ordering::Relaxed);
            self.shared_files.fetch_add(1, Ordering::Relaxed);
            self.take_over(&task.path);
            return;
        }
        self.file(&task.path, &task.entry, buffer);
    }

    /// Whether a file lies on the device where that of the reference lies. What can't be told is read.
    fn is_same_data(&self, path: &[u8]) -> bool {
        let is_same = |reference: &Reference| self.tree.has_same_data(&reference.tree, path);
        self.reference.is_some_and(is_same)
    }

    /// What is the same data is damaged in both, or in none.
    fn take_over(&self, path: &[u8]) {
        if let Some(reference) = self.reference
            && reference.damaged.contains(path)
        {
            let text = format!("is the same damaged data as in {}", reference.name);
            self.problem(path, "content", text);
        }
    }

    fn tell(&self, files_total: u64, bytes_total: u64) {
        self.job.progress(Progress {
            phase: "verifying".into(),
            files_done: self.files.load(Ordering::Relaxed),
            files_total,
            bytes_done: self.bytes.load(Ordering::Relaxed),
            bytes_total,
            ..Progress::default()
        });
    }

    fn directory(&self, path: &[u8]) {
        if let Err(error) = self.tree.open_directory(path) {
            self.problem(path, "missing", Error::from(error).chain());
        }
    }

    fn file(&self, path: &[u8], entry: &Entry, buffer: &mut [u8]) {
        match &entry.kind {
            Kind::File { size, hash, .. } => {
                self.files.fetch_add(1, Ordering::Relaxed);
                match self.hash(path, buffer) {
                    Ok((found, _)) if found == *hash => {}
                    Ok((_, found)) if found != *size => {
                        self.problem(
                            path,
                            "content",
                            format!("has {found} bytes, the manifest says {size}"),
                        );
                    }
                    Ok(_) => self.problem(path, "content", "does not have the manifest's hash".into()),
                    Err(Error::Cancelled) => {}
                    Err(error) => self.problem(path, "unreadable", error.chain()),
                }
            }
            Kind::Symlink { target } => match self.link(path) {
                Ok(found) if found == *target => {}
                Ok(_) => self.problem(path, "content", "points elsewhere than the manifest says".into()),
                Err(error) => self.problem(path, "unreadable", error.chain()),
            },
            Kind::Volume { size, hash } => self.volume(path, (*size, *hash), buffer),
            Kind::Directory | Kind::HardLink { .. } | Kind::Fifo => {}
            Kind::CharDevice { .. } | Kind::BlockDevice { .. } => {}
        }
    }

    fn link(&self, path: &[u8]) -> Result<Box<[u8]>> {
        let missing = || Error::NotFound {
            what: "link",
            name: String::from_utf8_lossy(path).into_owned(),
        };
        let (parent, name) = manifest::split_path(path).ok_or_else(missing)?;
        self.tree
            .open_directory(parent)?
            .read_link(name)
            .map_err(|_| missing())
    }

    fn hash(&self, path: &[u8], buffer: &mut [u8]) -> Result<(ContentHash, u64)> {
        let mut file = self.tree.open_file(path)?;
        let mut hasher = manifest::content::BlockHasher::new();
        loop {
            if self.job.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let len = file.read(buffer).map_err(|source| Error::Io {
                action: "read",
                path: String::from_utf8_lossy(path).into_owned().into(),
                source,
            })?;
            if len == 0 {
                let hashed = hasher.finish();
                return Ok((hashed.hash, hashed.size));
            }
            hasher.update(&buffer[..len]);
            self.read(len);
        }
    }

    /// Counts what was read, and waits where that is faster than it may be.
    fn read(&self, len: usize) {
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        self.job.pace.take(len as u64, || self.job.cancel.is_cancelled());
    }

    fn volume(&self, path: &[u8], expected: (u64, ContentHash), buffer: &mut [u8]) {
        self.files.fetch_add(1, Ordering::Relaxed);
        match self.hash_volume(path, buffer) {
            Ok(found) if found == expected => {}
            Ok((found, _)) if found != expected.0 => {
                let text = format!("has {found} bytes, the manifest says {}", expected.0);
                self.problem(path, "content", text);
            }
            Ok(_) => self.problem(path, "content", "does not have the manifest's hash".into()),
            Err(Error::Cancelled) => {}
            Err(error) => self.problem(path, "unreadable", error.chain()),
        }
    }

    /// Hashes a volume; its holes need not be read.
    fn hash_volume(&self, path: &[u8], buffer: &mut [u8]) -> Result<(u64, ContentHash)> {
        let read_error = |source| Error::Io {
            action: "read",
            path: String::from_utf8_lossy(path).into_owned().into(),
            source,
        };
        let volume = self.tree.open_volume(path)?;
        let size = volume.len_bytes().map_err(read_error)?;
        let mut hasher = StreamHasher::new();
        while let Some(data) = volume.next_data(hasher.size()..size).map_err(read_error)? {
            hasher.zeros(data.start - hasher.size());
            while hasher.size() < data.end {
                if self.job.cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let rest = data.end - hasher.size();
                let len = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
                volume
                    .read_exact_at(&mut buffer[..len], hasher.size())
                    .map_err(read_error)?;
                hasher.update(&buffer[..len]);
                self.read(len);
            }
        }
        hasher.zeros(size - hasher.size());
        Ok(hasher.finish())
    }

    fn problem(&self, path: &[u8], kind: &str, message: String) {
        let mut problems = self.problems.lock();
        if problems.len() < TOLD_PROBLEMS {
            problems.push(Problem {
                path: path.to_vec(),
                kind: kind.into(),
                message,
            });
        }
    }
}
