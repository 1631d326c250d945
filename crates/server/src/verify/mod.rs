//! Checks a backup: its files against its manifest, or a sample of it against the client's own files.

mod files;
mod volumes;

use std::sync::Arc;

use catalog::{Backup, JobEnd, JobKind, Verified};
use manifest::content::ContentHash;
use manifest::{Kind, Reader};
use rand::RngExt as _;
use wire::v1::sampled_file::Outcome as Sampled;
use wire::v1::{LogLine, Problem, Progress, SampleFile, SampledFile};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order, finished};
use crate::services::views;

pub use files::{Reference, check};

/// Problems that are told one by one.
const TOLD_PROBLEMS: usize = 1000;
/// Files that a client is asked for at a time.
const SAMPLE_BATCH: usize = 2000;

/// What a backup is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// All of it with its manifest.
    Manifest,
    /// A sample of it with what the client has now.
    Source {
        /// How much, of 100.
        percent: f64,
    },
}

/// What stands around the percentage in the reason of a job that compares with the source.
const SOURCE_REASON: (&str, &str) = ("compare ", " % with the source");

impl Extent {
    /// A sample of this size, or without one everything with the manifest.
    pub fn of_percent(percent: f64) -> Self {
        match percent > 0.0 {
            true => Self::Source { percent },
            false => Self::Manifest,
        }
    }

    /// What a job with this reason compared.
    pub fn of_reason(reason: Option<&str>) -> Self {
        let (before, after) = SOURCE_REASON;
        let percent = reason
            .and_then(|reason| reason.strip_prefix(before)?.strip_suffix(after))
            .and_then(|percent| percent.parse().ok());
        percent.map_or(Self::Manifest, Self::of_percent)
    }

    /// The reason of a job that compares this.
    fn reason(self) -> Option<String> {
        let (before, after) = SOURCE_REASON;
        match self {
            Self::Manifest => None,
            Self::Source { percent } => Some(format!("{before}{percent}{after}")),
        }
    }
}

/// Begins a job that checks a backup. Fails where the client is needed and not connected. Must be called within the runtime.
pub fn start(core: &Arc<Core>, backup: Backup, extent: Extent) -> Result<Arc<LiveJob>> {
    if let Extent::Source { .. } = extent {
        core.attached.get(&backup.client)?;
    }
    let job = core.board.queue(Order {
        subject: Some(backup.name.clone()),
        reason: extent.reason(),
        ..Order::of(JobKind::Verify, &backup.client)
    })?;
    let (core, checking) = (core.clone(), job.clone());
    match extent {
        Extent::Source { percent } => drop(tokio::spawn(verify_source(core, checking, backup, percent))),
        Extent::Manifest => {
            tokio::task::spawn_blocking(move || verify(&core, &checking, &backup));
        }
    }
    Ok(job)
}

/// Rehashes every file of a backup against its manifest, blocking, and ends the job.
fn verify(core: &Arc<Core>, job: &Arc<LiveJob>, backup: &Backup) {
    let checked = core.board.begin(job).and_then(|()| {
        let checked = check(job, &core.open_backup(backup)?, None)?;
        note(core, backup, &checked.problems);
        Ok((checked.files, checked.problems))
    });
    conclude(core, job, checked, |files| {
        format!("{files} files hold what the manifest says")
    });
}

/// Compares a sample of a backup with fresh hashes of the client's files, and ends the job.
async fn verify_source(core: Arc<Core>, job: Arc<LiveJob>, backup: Backup, percent: f64) {
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
pub fn note(core: &Core, backup: &Backup, problems: &[Problem]) {
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

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn the_reason_of_a_job_tells_what_it_compared() {
        for extent in [
            Extent::Manifest,
            Extent::Source { percent: 2.5 },
            Extent::Source { percent: 100.0 },
        ] {
            assert_eq!(Extent::of_reason(extent.reason().as_deref()), extent);
        }
        assert_eq!(Extent::of_reason(Some("compare all")), Extent::Manifest);
    }
}
