//! Checks a backup: its files against its manifest, or a sample of it against the client's own files.

mod volumes;

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use catalog::{Backup, JobEnd, Verified};
use disk_image::DiskSource as _;
use manifest::content::ContentHash;
use manifest::volume::StreamHasher;
use manifest::{Entry, Kind, Reader};
use parking_lot::Mutex;
use rand::RngExt as _;
use storage::BackupTree;
use wire::v1::sampled_file::Outcome as Sampled;
use wire::v1::{LogLine, Problem, Progress, SampleFile, SampledFile};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, finished};
use crate::services::views;

/// Files that wait for a thread that hashes.
const QUEUED_FILES: usize = 1024;
/// Problems that are told one by one.
const TOLD_PROBLEMS: usize = 1000;
/// Files that a client is asked for at a time.
const SAMPLE_BATCH: usize = 2000;
const READ_BYTES: usize = 256 * 1024;
const TELL_EVERY: Duration = Duration::from_millis(300);

/// Rehashes every file of a backup against its manifest, blocking, and ends the job.
pub fn verify(core: &Arc<Core>, job: &Arc<LiveJob>, backup: &Backup) {
    let checked = core.board.begin(job).and_then(|()| check(core, job, backup));
    if let Ok((_, problems)) = &checked {
        note(core, backup, problems);
    }
    conclude(core, job, checked, |files| {
        format!("{files} files hold what the manifest says")
    });
}

/// Compares a sample of a backup with fresh hashes of the client's files, and ends the job.
pub async fn verify_source(core: Arc<Core>, job: Arc<LiveJob>, backup: Backup, percent: f64) {
    let checked = match core.board.begin(&job) {
        Ok(()) => sample(&core, &job, &backup, percent).await,
        Err(error) => Err(error),
    };
    let what = match backup.kind {
        catalog::BackupKind::File => "files of the source",
        catalog::BackupKind::Image => "blocks of the volumes",
    };
    conclude(&core, &job, checked, |count| {
        format!("{count} {what} have the backup's content")
    });
}

/// Notes what was found: retention never removes the newest backup that is known to be sound.
fn note(core: &Core, backup: &Backup, problems: &[Problem]) {
    let verification = catalog::Verification {
        at_ms: core.clock.now_ms(),
        found: match problems.is_empty() {
            true => Verified::Passed,
            false => Verified::Failed,
        },
    };
    let damage: Vec<catalog::Problem> = problems.iter().map(views::kept_problem).collect();
    if let Err(error) = core.catalog.set_verified(backup.id, verification, &damage) {
        tracing::warn!(client = backup.client, name = backup.name, %error, "a verification could not be noted");
    }
}

fn conclude(
    core: &Core,
    job: &LiveJob,
    checked: Result<(u64, Vec<Problem>)>,
    message: impl FnOnce(u64) -> String,
) {
    match checked {
        Ok((files, problems)) => {
            let text = match problems.len() {
                0 => message(files),
                count => format!("{count} of {files} files checked have problems"),
            };
            core.board.end(job, JobEnd::Done, finished(text, problems));
        }
        Err(error) => core.board.fail(job, &error),
    }
}

struct Check<'a> {
    tree: &'a BackupTree,
    job: &'a LiveJob,
    files: AtomicU64,
    bytes: AtomicU64,
    problems: Mutex<Vec<Problem>>,
}

fn check(core: &Core, job: &Arc<LiveJob>, backup: &Backup) -> Result<(u64, Vec<Problem>)> {
    let tree = core.open_backup(backup)?;
    let manifest = tree.manifest();
    let totals = *manifest.totals();
    let check = Check {
        tree: &tree,
        job,
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        problems: Mutex::default(),
    };
    let (send, receive) = crossbeam_channel::bounded::<(Box<[u8]>, Entry)>(QUEUED_FILES);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..threads {
            let (receive, check) = (receive.clone(), &check);
            scope.spawn(move || {
                let mut buffer = vec![0; READ_BYTES];
                while let Ok((path, entry)) = receive.recv() {
                    check.file(&path, &entry, &mut buffer);
                }
            });
        }
        drop(receive);
        let mut told = Instant::now();
        for record in manifest.records() {
            let record = record?;
            check.directory(&record.path);
            for entry in record.entries {
                if job.cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let path = manifest::join_path(&record.path, &entry.name);
                send.send((path, entry)).map_err(|_| Error::Cancelled)?;
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                check.tell(totals.files, totals.bytes);
            }
        }
        drop(send);
        Ok(())
    })?;
    Ok((check.files.into_inner(), check.problems.into_inner()))
}

impl Check<'_> {
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
            self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        }
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
                self.bytes.fetch_add(len as u64, Ordering::Relaxed);
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

async fn sample(
    core: &Arc<Core>,
    job: &LiveJob,
    backup: &Backup,
    percent: f64,
) -> Result<(u64, Vec<Problem>)> {
    let (opener, of) = (core.clone(), backup.clone());
    let picking = tokio::task::spawn_blocking(move || pick(opener.open_backup(&of)?.manifest(), percent));
    let Picked {
        files: picked,
        streamed,
    } = picking.await.map_err(|_| Error::Cancelled)??;
    if streamed > 0 {
        job.log(LogLine {
            text: format!("{streamed} outputs of commands are not compared: they can't be read again"),
            ..LogLine::default()
        });
    }
    let mut problems = Vec::new();
    let mut hashed = volumes::sample(core, job, backup, percent, &mut problems).await?;
    for batch in picked.chunks(SAMPLE_BATCH) {
        let files = batch.iter().map(|(file, _)| file.clone()).collect();
        let found = tokio::select! {
            found = core.attached.sample(&backup.client, files, Vec::new()) => found?,
            () = job.cancel.cancelled() => return Err(Error::Cancelled),
        };
        compare(batch, &found.files, &mut hashed, &mut problems);
        job.progress(Progress {
            phase: "comparing with the source".into(),
            files_done: hashed,
            files_total: picked.len() as u64,
            ..Progress::default()
        });
    }
    Ok((hashed, problems))
}

/// What of a backup is compared with the client's files.
struct Picked {
    files: Vec<(SampleFile, ContentHash)>,
    /// How many files the client can't read again.
    streamed: u64,
}

/// A random share of a backup's files, at least one.
fn pick(manifest: &Reader, percent: f64) -> Result<Picked> {
    let streams = manifest.header().sources.iter();
    let streams: Vec<&[u8]> = streams
        .filter(|source| source.is_streamed())
        .map(|source| &*source.name)
        .collect();
    let mut streamed = 0;
    let share = (percent / 100.0).clamp(0.0, 1.0);
    let mut random = rand::rng();
    let is_image = volumes::is_image(manifest);
    let mut picked = Vec::new();
    let mut spare = None;
    for record in manifest.records() {
        let record = record?;
        for entry in &record.entries {
            let Kind::File { size, hash, .. } = entry.kind else {
                continue;
            };
            if is_image {
                // The description of a disk: the client has no such file.
                continue;
            }
            if streams.contains(&&*record.path) {
                streamed += 1;
                continue;
            }
            let file = SampleFile {
                path: manifest::join_path(&record.path, &entry.name).into(),
                size,
                mtime_s: entry.metadata.mtime.secs,
                mtime_ns: entry.metadata.mtime.nanos,
            };
            if random.random_bool(share) {
                picked.push((file, hash));
            } else {
                spare.get_or_insert((file, hash));
            }
        }
    }
    if picked.is_empty() {
        picked.extend(spare);
    }
    Ok(Picked {
        files: picked,
        streamed,
    })
}

/// Compares what the client found; files that have changed since the backup say nothing.
fn compare(
    asked: &[(SampleFile, ContentHash)],
    found: &[SampledFile],
    hashed: &mut u64,
    problems: &mut Vec<Problem>,
) {
    let by_path: std::collections::HashMap<&[u8], &SampledFile> =
        found.iter().map(|file| (file.path.as_slice(), file)).collect();
    for (file, hash) in asked {
        let problem = match by_path.get(file.path.as_slice()) {
            None => Some(("no answer", "the client did not answer for it".to_owned())),
            Some(found) => match found.outcome() {
                Sampled::Changed | Sampled::Missing => continue,
                Sampled::Unreadable => Some(("unreadable", found.reason.clone())),
                Sampled::Hashed if found.hash == hash.0 => None,
                Sampled::Hashed => Some((
                    "content",
                    "the source has the backup's size and time, but other content".to_owned(),
                )),
            },
        };
        *hashed += 1;
        if let Some((kind, message)) = problem
            && problems.len() < TOLD_PROBLEMS
        {
            problems.push(Problem {
                path: file.path.clone(),
                kind: kind.into(),
                message,
            });
        }
    }
}
