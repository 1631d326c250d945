//! A certificate in files that somebody else writes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Shown, unusable};
use crate::error::{Error, Result};

/// How often the files are looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// Whether files that have changed are read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// They are, and also if they look the same.
    None,
    /// Not until they are found the same twice: who renews a certificate writes one file after the other.
    UntilSettled,
}

/// The files that hold a certificate and its key; it may be one file.
#[derive(Debug)]
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
    /// As they were when they were read last.
    read: Stamps,
    /// As they were when they were looked at last.
    seen: Stamps,
}

type Stamps = [Option<Stamp>; 2];

/// What is another one after a file was written, replaced, or let to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len_bytes: u64,
    changed: (i64, i64),
    written: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            inode: found.ino(),
            len_bytes: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
            written: (found.mtime(), found.mtime_nsec()),
        })
    }
}

impl Files {
    /// Reads the files for the first time.
    pub fn open(certificate: &Path, key: &Path) -> Result<(Self, Shown)> {
        // ORDER: before they are read, so that a change in between is found.
        let stamps = [certificate, key].map(Stamp::of);
        let files = Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            read: stamps,
            seen: stamps,
        };
        let shown = files.load()?;
        Ok((files, shown))
    }

    /// Reads them again if they have changed.
    pub fn look(&mut self, patience: Patience) -> Option<Result<Shown>> {
        let now = [&self.certificate, &self.key].map(|path| Stamp::of(path));
        let is_settled = now == self.seen;
        self.seen = now;
        let is_due = patience == Patience::None || (is_settled && now != self.read);
        is_due.then(|| {
            self.read = now;
            self.load()
        })
    }

    fn load(&self) -> Result<Shown> {
        let read = |path: &Path| fs::read(path).map_err(|source| Error::io("read", path, source));
        let (certificate, key) = (read(&self.certificate)?, read(&self.key)?);
        Shown::read(&certificate, &key, &self.key).map_err(|fault| unusable(&self.certificate, fault))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shown::tests::made;
    use super::*;

    #[test]
    fn changed_files_are_read_once_they_are_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
        let write = |name: &str| {
            let (chain_pem, key_pem) = made(&[name]);
            fs::write(&certificate, chain_pem).unwrap();
            fs::write(&key, key_pem).unwrap();
        };
        write("one.example");
        let (mut files, shown) = Files::open(&certificate, &key).unwrap();
        assert_eq!(shown.names(), ["one.example"]);
        assert!(files.look(Patience::UntilSettled).is_none());
        write("two.example");
        assert!(files.look(Patience::UntilSettled).is_none());
        let shown = files.look(Patience::UntilSettled).unwrap().unwrap();
        assert_eq!(shown.names(), ["two.example"]);
        assert!(files.look(Patience::UntilSettled).is_none());
        fs::write(&key, made(&["two.example"]).1).unwrap();
        assert!(files.look(Patience::None).unwrap().is_err());
        assert!(files.look(Patience::UntilSettled).is_none(), "it is told once");
        fs::remove_file(&key).unwrap();
        assert!(files.look(Patience::UntilSettled).is_none());
        assert!(matches!(
            files.look(Patience::UntilSettled),
            Some(Err(Error::Io { .. }))
        ));
        write("three.example");
        assert!(files.look(Patience::None).unwrap().is_ok());
    }
}
