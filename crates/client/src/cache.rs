//! Manifests of earlier backups, kept so that the server need not send them again.
//!
//! ```text
//! STATE/manifests/DIGEST.manifest   a manifest, named by the digest of its records in hex
//! STATE/manifests/PID-N.part        one that is being written
//! ```
//! Beside them lie the indexes of streams ([`streams`]).
//!
//! Nothing here is precious: what is missing or damaged is fetched again. Therefore nothing is synced either.

mod streams;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use manifest::{ContentHash, Reader};
use rustix::process::Pid;

use crate::error::{Error, Result};

/// How many manifests are kept.
const KEPT: usize = 3;
const SUFFIX: &str = ".manifest";
const PART_SUFFIX: &str = ".part";

/// The manifests that this client holds.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    next_part: AtomicU64,
}

impl Cache {
    /// Opens the cache in the state directory `state`, or creates it. What an interrupted run left behind is
    /// removed.
    pub fn open(state: &Path) -> Result<Self> {
        let dir = state.join("manifests");
        fs::create_dir_all(&dir).map_err(|source| Error::io("create", &dir, source))?;
        let cache = Self {
            dir,
            next_part: AtomicU64::new(0),
        };
        for (path, _) in cache
            .files(PART_SUFFIX)?
            .iter()
            .filter(|(path, _)| !is_in_use(path))
        {
            remove(path)?;
        }
        Ok(cache)
    }

    /// The digests of the manifests that are there, newest first.
    pub fn digests(&self) -> Result<Vec<ContentHash>> {
        let mut files = self.files(SUFFIX)?;
        files.sort_by_key(|(_, modified)| std::cmp::Reverse(*modified));
        Ok(files.iter().filter_map(|(path, _)| digest_of(path)).collect())
    }

    /// Opens a manifest; `None` where there is none, or one that can't be used, which is removed then.
    pub fn manifest(&self, digest: ContentHash) -> Result<Option<Reader>> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| Error::io("open", &path, source))?,
        };
        match Reader::open(file) {
            Ok(reader) if reader.digest() == digest => Ok(Some(reader)),
            read => {
                tracing::warn!(manifest = %path.display(), damage = ?read.err(), "a cached manifest can't be used");
                self.discard(digest)?;
                Ok(None)
            }
        }
    }

    /// Removes a manifest that turned out to be damaged.
    pub fn discard(&self, digest: ContentHash) -> Result<()> {
        remove(&self.path(digest))
    }

    /// Begins a manifest, which counts for nothing until it is kept.
    pub fn create(&self) -> Result<Part> {
        let number = self.next_part.fetch_add(1, Ordering::Relaxed);
        let path = self
            .dir
            .join(format!("{}-{number}{PART_SUFFIX}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = file.map_err(|source| Error::io("create", &path, source))?;
        Ok(Part {
            file,
            path: Some(path),
        })
    }

    /// Keeps a finished manifest under its digest, and of the others the newest few.
    pub fn keep(&self, mut part: Part, digest: ContentHash) -> Result<()> {
        let target = self.path(digest);
        let path = part.path.take().expect("a part has its path until it is kept");
        fs::rename(&path, &target).map_err(|source| Error::io("rename", &path, source))?;
        let mut files = self.files(SUFFIX)?;
        files.sort_by_key(|(path, modified)| std::cmp::Reverse((*path == target, *modified)));
        for (path, _) in files.iter().skip(KEPT) {
            remove(path)?;
        }
        Ok(())
    }

    fn path(&self, digest: ContentHash) -> PathBuf {
        self.dir.join(format!("{digest}{SUFFIX}"))
    }

    /// The files with this ending, and when they were written.
    fn files(&self, suffix: &str) -> Result<Vec<(PathBuf, SystemTime)>> {
        let failed = |source| Error::io("list", &self.dir, source);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.ends_with(suffix))
                && let Ok(modified) = modified
            {
                files.push((entry.path(), modified));
            }
        }
        Ok(files)
    }
}

/// A manifest that is being written; removed when it is dropped.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: Option<PathBuf>,
}

impl Part {
    /// A handle to the file, to be written and read.
    pub fn file(&self) -> Result<File> {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        self.file
            .try_clone()
            .map_err(|source| Error::io("open", path, source))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = remove(path)
        {
            tracing::warn!(%error, "a file could not be cleaned up");
        }
    }
}

/// Whether another process, which still runs, is writing this part.
fn is_in_use(part: &Path) -> bool {
    let name = part.file_name().and_then(|name| name.to_str());
    let writer = name
        .and_then(|name| name.split('-').next()?.parse().ok())
        .and_then(Pid::from_raw);
    writer.is_some_and(|pid| {
        pid != rustix::process::getpid() && rustix::process::test_kill_process(pid).is_ok()
    })
}

fn digest_of(path: &Path) -> Option<ContentHash> {
    let hex = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| (byte as char).to_digit(16);
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8));
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    rest.is_empty().then_some(ContentHash(bytes.try_into().ok()?))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, source)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
