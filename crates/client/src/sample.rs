//! Hashing a sample of the source anew, so that the server can compare: the end-to-end check of a backup.

use std::sync::atomic::{AtomicUsize, Ordering};

use file_tree::{Dir, FileType};
use manifest::ContentHash;
use parking_lot::Mutex;
use wire::v1::sampled_file::Outcome;
use wire::v1::{SampleFile, SampleReply, SampleRequest, SampledFile};

use crate::backup::hash_content;
use crate::cancel::Cancel;
use crate::source::{FileReader, LocalSource, open_beneath};

/// How many files one reply tells about.
const BATCH_FILES: usize = 64;

/// Hashes the files that are asked for, as far as they are as they were backed up, and hands out replies as
/// they become ready, the last of them marked. Blocks; returns early when it is cancelled.
pub fn answer(
    source: &LocalSource,
    request: &SampleRequest,
    threads: usize,
    cancel: &Cancel,
    reply: &(dyn Fn(SampleReply) + Sync),
) {
    let next = AtomicUsize::new(0);
    let ready: Mutex<Vec<SampledFile>> = Mutex::default();
    let send = |files: Vec<SampledFile>, last: bool| {
        reply(SampleReply {
            request_id: request.request_id,
            files,
            last,
            ..SampleReply::default()
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, request.files.len().max(1)) {
            scope.spawn(|| {
                let mut buffer = Vec::new();
                while let Some(file) = request.files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if cancel.is_cancelled() {
                        return;
                    }
                    let sampled = sample(source, file, &mut buffer);
                    let mut ready = ready.lock();
                    ready.push(sampled);
                    if ready.len() >= BATCH_FILES {
                        let batch = std::mem::take(&mut *ready);
                        drop(ready);
                        send(batch, false);
                    }
                }
            });
        }
    });
    if !cancel.is_cancelled() {
        send(ready.into_inner(), true);
    }
}

fn sample(source: &LocalSource, file: &SampleFile, buffer: &mut Vec<u8>) -> SampledFile {
    let (outcome, hash, reason) = match hash(source, file, buffer) {
        Ok(Some(hash)) => (Outcome::Hashed, hash.0.to_vec(), String::new()),
        Ok(None) => (Outcome::Changed, Vec::new(), String::new()),
        Err(error) if error.is_not_found() => (Outcome::Missing, Vec::new(), String::new()),
        Err(error) => (Outcome::Unreadable, Vec::new(), crate::error::explain(&error)),
    };
    SampledFile {
        path: file.path.clone(),
        outcome: outcome.into(),
        hash,
        reason,
    }
}

/// Hashes a file; `None` if it is not as it was backed up any more.
fn hash(
    source: &LocalSource,
    file: &SampleFile,
    buffer: &mut Vec<u8>,
) -> file_tree::Result<Option<ContentHash>> {
    let missing = || file_tree::Error::NotFound {
        operation: file_tree::Operation::Open,
        name: file.path.as_slice().into(),
    };
    let (root, beneath) = source.locate(&file.path).ok_or_else(missing)?;
    let (dir, name) = Dir::open(&root)?
        .locate(&beneath)
        .map(|(dir, name)| (dir, name.to_vec()))?;
    let stat = dir.stat(&name)?;
    let mtime = manifest::Timestamp {
        secs: file.mtime_s,
        nanos: file.mtime_ns,
    };
    if stat.kind != FileType::File || stat.size != file.size || stat.mtime != mtime {
        return Ok(None);
    }
    let reader = open_beneath(&dir, &name, &stat)?;
    let content = hash_content(&reader, &stat, 1, buffer)?;
    let is_unchanged = reader.stat()?.is_same_version(&stat);
    Ok(is_unchanged.then_some(content.hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SourceSettings};

    #[test]
    fn files_are_hashed_unless_they_changed_or_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/same"), "content").unwrap();
        std::fs::write(dir.path().join("changed"), "content").unwrap();
        std::os::unix::fs::symlink("sub", dir.path().join("link")).unwrap();
        let sources = vec![SourceSettings::new("s", dir.path())];
        let source = LocalSource::new(&Settings {
            sources,
            ..Settings::default()
        })
        .unwrap();
        let mtime = |path: &str| {
            use std::os::unix::fs::MetadataExt as _;
            let metadata = std::fs::metadata(dir.path().join(path)).unwrap();
            (metadata.mtime(), metadata.mtime_nsec() as u32)
        };
        let file = |path: &str, size: u64, (mtime_s, mtime_ns): (i64, u32)| SampleFile {
            path: format!("s/{path}").into_bytes(),
            size,
            mtime_s,
            mtime_ns,
        };
        let same = mtime("sub/same");
        let files = vec![
            file("sub/same", 7, same),
            file("changed", 6, mtime("changed")),
            file("gone", 1, same),
            file("link/same", 7, same),
            SampleFile {
                path: b"other/x".to_vec(),
                ..SampleFile::default()
            },
        ];
        let request = SampleRequest {
            request_id: 3,
            files,
            ..SampleRequest::default()
        };
        let replies: Mutex<Vec<SampleReply>> = Mutex::default();
        answer(&source, &request, 2, &Cancel::new(), &|reply| {
            replies.lock().push(reply)
        });
        let replies = replies.into_inner();
        assert!(replies.last().unwrap().last);
        let mut outcomes: Vec<(Vec<u8>, Outcome)> = replies
            .iter()
            .flat_map(|reply| reply.files.iter().map(|file| (file.path.clone(), file.outcome())))
            .collect();
        outcomes.sort();
        assert_eq!(
            outcomes,
            [
                (b"other/x".to_vec(), Outcome::Missing),
                (b"s/changed".to_vec(), Outcome::Changed),
                (b"s/gone".to_vec(), Outcome::Missing),
                (b"s/link/same".to_vec(), Outcome::Unreadable),
                (b"s/sub/same".to_vec(), Outcome::Hashed),
            ]
        );
        let hashed = replies
            .iter()
            .flat_map(|reply| &reply.files)
            .find(|file| !file.hash.is_empty())
            .unwrap();
        assert_eq!(hashed.hash, ContentHash::of(b"content").0);
    }
}
