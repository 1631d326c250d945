//! A storage on a file system of a kind, with a source beside it.

use std::path::{Path, PathBuf};

use scratch_fs::{FileSystem, Scratch, mib};
use storage::{
    BackendKind, BackupName, ClientName, Compression, CreateOptions, OpenOptions, ServerId, Store,
    VolumeFormat,
};
use tempfile::TempDir;

/// What a storage lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Btrfs,
    Xfs,
    Ext4,
    /// The temporary directory, whatever that is, with the hardlink backend.
    Plain,
}

/// A storage and a source. Everything goes when it is dropped.
pub struct Lab {
    pub kind: Kind,
    pub store: Option<Store>,
    /// What images are kept in.
    pub format: Option<VolumeFormat>,
    /// What new content is compressed with, on btrfs.
    pub compression: Option<Compression>,
    source: TempDir,
    plain: Option<TempDir>,
    scratch: Option<Scratch>,
}

impl Lab {
    /// Makes one with an empty storage; `None`, with a note, where the kind can't be had.
    pub fn create(kind: Kind) -> Option<Self> {
        Self::with_size(kind, mib(512))
    }

    pub fn with_size(kind: Kind, size_bytes: u64) -> Option<Self> {
        Self::on(kind, |file_system| {
            Scratch::with_mount_options(file_system, size_bytes, "").unwrap()
        })
    }

    /// Makes one whose file system can be cloned while it works.
    pub fn with_clones(kind: Kind) -> Option<Self> {
        Self::on(kind, |file_system| {
            Scratch::with_atomic_clones(file_system, mib(512), "").unwrap()
        })
    }

    /// Takes the state of the file system's device at this moment.
    pub fn clone_image(&self) -> PathBuf {
        self.scratch.as_ref().unwrap().clone_image().unwrap()
    }

    fn on(kind: Kind, make: impl Fn(FileSystem) -> Scratch) -> Option<Self> {
        let file_system = match kind {
            Kind::Btrfs => Some(FileSystem::Btrfs),
            Kind::Xfs => Some(FileSystem::Xfs),
            Kind::Ext4 => Some(FileSystem::Ext4),
            Kind::Plain => None,
        };
        if let Some(Err(reason)) = file_system.map(FileSystem::available) {
            eprintln!("skipped: {reason}");
            return None;
        }
        let scratch = file_system.map(make);
        let plain = scratch.is_none().then(|| tempfile::tempdir().unwrap());
        let source = tempfile::tempdir().unwrap();
        let mut lab = Self {
            kind,
            store: None,
            format: None,
            compression: None,
            source,
            plain,
            scratch,
        };
        lab.store = Some(lab.create_store("storage"));
        Some(lab)
    }

    /// Creates a storage with the backend that is to be tested.
    pub fn create_store(&self, name: &str) -> Store {
        let backend = match self.kind {
            Kind::Btrfs => BackendKind::Btrfs,
            Kind::Xfs => BackendKind::Reflink,
            Kind::Ext4 | Kind::Plain => BackendKind::Hardlink,
        };
        let mut options = CreateOptions::new(server());
        options.open = self.options();
        if self.kind == Kind::Plain {
            options.backend = Some(backend);
        }
        let store = Store::create(&self.file_system().join(name), &options).unwrap();
        assert_eq!(store.backend(), backend, "the probe picks the backend");
        store
    }

    /// The directory that storages are in.
    pub fn file_system(&self) -> &Path {
        match (&self.scratch, &self.plain) {
            (Some(scratch), _) => scratch.path(),
            (None, Some(plain)) => plain.path(),
            (None, None) => unreachable!("a lab has one or the other"),
        }
    }

    pub fn storage(&self) -> PathBuf {
        self.file_system().join("storage")
    }

    /// The directory that is backed up.
    pub fn source(&self) -> &Path {
        self.source.path()
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Closes the storage and opens it again.
    pub fn reopen(&mut self) -> &Store {
        self.store = None;
        self.store = Some(Store::open(&self.storage(), &self.options()).unwrap());
        self.store()
    }

    /// The same with images in a format.
    pub fn keep_images_in(&mut self, format: Option<VolumeFormat>) -> &Store {
        self.format = format;
        self.reopen()
    }

    pub fn options(&self) -> OpenOptions {
        OpenOptions {
            volume_format: self.format,
            compression: self.compression,
            ..OpenOptions::new(server())
        }
    }

    /// Bytes in use on the file system, after everything has been written out.
    pub fn used_bytes(&self) -> u64 {
        let dir = std::fs::File::open(self.file_system()).unwrap();
        rustix::fs::syncfs(&dir).unwrap();
        let stat = rustix::fs::fstatvfs(&dir).unwrap();
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }

    pub fn write(&self, path: &str, content: &[u8]) {
        let path = self.source().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Fills the source with all that a tree can have; less of it where the test is not root.
    pub fn fill(&self, seed: u64) {
        use std::os::unix::fs::PermissionsExt as _;
        if self.is_root() {
            return scratch_fs::tree::random_tree(seed, self.source()).unwrap();
        }
        for at in 0..40u64 {
            let content = format!("{seed} {at}").repeat(1 + (at * at * 7) as usize);
            self.write(
                &format!("dir-{}/{}/file-{at}", at % 3, at % 5),
                content.as_bytes(),
            );
        }
        let mode = |path: &str, mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(self.source().join(path), permissions).unwrap();
        };
        mode("dir-0/0/file-0", 0o444);
        mode("dir-1/1/file-1", 0o4755);
        std::fs::create_dir(self.source().join("empty")).unwrap();
        mode("empty", 0o555);
    }

    /// Changes the source at random.
    pub fn mutate(&self, seed: usize, changes: usize) {
        if !self.is_root() {
            for at in 0..changes {
                let content = format!("{seed} {at}").repeat(1 + seed % 7 * 4000);
                self.write(
                    &format!("dir-{}/{}/changed-{}", seed % 3, at % 5, (seed + at) % 4),
                    content.as_bytes(),
                );
                let _ = std::fs::remove_file(self.source().join(format!(
                    "dir-{}/{}/file-{at}",
                    seed % 3,
                    at % 5
                )));
            }
            return;
        }
        for at in 0..changes {
            // A change that turns out to be impossible is left out.
            let _ = scratch_fs::tree::mutate_tree((seed * 1000 + at) as u64, self.source(), 1);
        }
    }

    pub fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}

pub fn server() -> ServerId {
    "server-1".parse().unwrap()
}

pub fn client(name: &str) -> ClientName {
    name.parse().unwrap()
}

pub fn backup(name: &str) -> BackupName {
    name.parse().unwrap()
}

/// The name of the n-th backup.
pub fn nth(number: usize) -> BackupName {
    backup(&format!("2601{:02}-{:02}00", 1 + number / 24, number % 24))
}
