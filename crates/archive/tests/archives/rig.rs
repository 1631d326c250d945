//! What all of these tests do: a backup in memory, archives of it, and programs that read them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use archive::{Archive, Format, Member, Result, Selection, planned_len};
use manifest::{
    BackupKind, Conclusion, ContentHash, DirRecord, Entry, Header, Kind, Metadata, Reader, Timestamp, Writer,
    Xattr, compare_paths, split_path,
};

/// A backup: entries by path, and content of files.
#[derive(Debug, Clone, Default)]
pub struct Backup {
    pub entries: BTreeMap<Vec<u8>, Entry>,
    pub content: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub fn metadata(mode: u32) -> Metadata {
    Metadata {
        mode,
        uid: 1000,
        gid: 100,
        mtime: Timestamp {
            secs: 1_600_000_001,
            nanos: 123_456_789,
        },
        ..Metadata::default()
    }
}

pub fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr {
        name: name.as_bytes().into(),
        value: value.into(),
    }
}

/// Content that no two blocks have in common.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

impl Backup {
    /// Adds an entry, and the directories above it.
    pub fn add(&mut self, path: impl AsRef<[u8]>, metadata: Metadata, kind: Kind) -> &mut Self {
        let path = path.as_ref();
        let (parent, name) = split_path(path).unwrap();
        if !parent.is_empty() && !self.entries.contains_key(parent) {
            self.add(parent, self::metadata(0o755), Kind::Directory);
        }
        let entry = Entry {
            name: name.into(),
            metadata,
            kind,
        };
        self.entries.insert(path.to_vec(), entry);
        self
    }

    pub fn file(&mut self, path: impl AsRef<[u8]>, content: &[u8]) -> &mut Self {
        self.file_with(path, metadata(0o644), content)
    }

    pub fn file_with(&mut self, path: impl AsRef<[u8]>, metadata: Metadata, content: &[u8]) -> &mut Self {
        let kind = Kind::file(content.len() as u64, ContentHash::of(content), Arc::default());
        self.content.insert(path.as_ref().to_vec(), content.to_vec());
        self.add(path, metadata, kind)
    }

    pub fn symlink(&mut self, path: impl AsRef<[u8]>, target: &[u8]) -> &mut Self {
        let target = target.into();
        self.add(path, metadata(0o777), Kind::Symlink { target })
    }

    pub fn hard_link(&mut self, path: impl AsRef<[u8]>, target: &str) -> &mut Self {
        let kind = Kind::HardLink {
            target: target.as_bytes().into(),
        };
        let metadata = self.entries[target.as_bytes()].metadata.clone();
        self.add(path, metadata, kind)
    }

    /// Its directories in manifest order.
    pub fn records(&self) -> Vec<DirRecord> {
        let mut paths = vec![Vec::new()];
        let directories = self.entries.iter().filter(|(_, entry)| entry.is_directory());
        paths.extend(directories.map(|(path, _)| path.clone()));
        paths.sort_by(|a, b| compare_paths(a, b));
        let of = |directory: &[u8]| -> Vec<Entry> {
            let entries = self.entries.iter();
            let own = entries.filter(|(path, _)| split_path(path).unwrap().0 == directory);
            let mut own: Vec<Entry> = own.map(|(_, entry)| entry.clone()).collect();
            own.sort_by(|a, b| a.name.cmp(&b.name));
            own
        };
        let record = |path: Vec<u8>| DirRecord {
            entries: of(&path),
            path: path.into(),
        };
        paths.into_iter().map(record).collect()
    }

    /// Its manifest.
    pub fn reader(&self) -> Reader<Vec<u8>> {
        written(&self.records())
    }

    pub fn members(&self, selection: &Selection, format: Format) -> Vec<Member> {
        let members = selection.clone().members(&self.reader(), format).unwrap();
        members.map(|member| member.unwrap()).collect()
    }

    /// Opens content as a member of an archive wants it.
    pub fn open(&self, member: &Member, from: u64) -> io::Result<Dribble> {
        let content = self.content.get(&*member.path).ok_or(io::ErrorKind::NotFound)?;
        let mut content = Cursor::new(content.clone());
        content.seek(SeekFrom::Start(from))?;
        Ok(Dribble(content))
    }

    /// The archive of a selection, from an offset on.
    pub fn archive_from(&self, selection: &Selection, format: Format, offset: u64) -> Result<Vec<u8>> {
        let mut archive = Archive::resume(format, Vec::new(), offset)?;
        for member in self.members(selection, format) {
            archive.add(&member, |from| self.open(&member, from))?;
        }
        archive.finish()
    }

    /// The archive of a selection, as long as was planned.
    pub fn archive(&self, paths: &[&str], format: Format) -> Vec<u8> {
        let selection = Selection::new(paths).unwrap();
        let archive = self.archive_from(&selection, format, 0).unwrap();
        let members = selection.members(&self.reader(), format).unwrap();
        if let Some(planned) = planned_len(format, members).unwrap() {
            assert_eq!(planned, archive.len() as u64);
        }
        archive
    }
}

pub fn written(records: &[DirRecord]) -> Reader<Vec<u8>> {
    let header = Header {
        client: "laptop".into(),
        name: "261129-0650".into(),
        kind: BackupKind::Full,
        started: Timestamp::default(),
        base: None,
        sources: Vec::new(),
        server_id: "4f9c".into(),
    };
    let mut writer = Writer::create(Vec::new(), &header).unwrap();
    for record in records {
        writer.push(record).unwrap();
    }
    let conclusion = Conclusion {
        finished: Timestamp::default(),
        problem_count: 0,
        problems: Vec::new(),
    };
    let (_, bytes) = writer.finish(&conclusion).unwrap();
    Reader::open(bytes).unwrap()
}

/// Gives less than it is asked for, and another number of bytes each time.
pub struct Dribble(Cursor<Vec<u8>>);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.0.position() as usize % 70_001 + 1;
        let len = buffer.len().min(most);
        self.0.read(&mut buffer[..len])
    }
}

/// A directory with an archive in it.
pub struct Unpacking {
    dir: tempfile::TempDir,
    pub archive: PathBuf,
}

impl Unpacking {
    pub fn of(archive: &[u8], format: Format) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(format!("a.{}", format.extension()));
        std::fs::write(&path, archive).unwrap();
        Self { dir, archive: path }
    }

    pub fn path(&self, name: impl AsRef<[u8]>) -> PathBuf {
        self.dir.path().join("out").join(OsStr::from_bytes(name.as_ref()))
    }

    /// Runs a program in an empty directory; the archive is its last argument.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        let out = self.dir.path().join("out");
        std::fs::create_dir_all(&out).unwrap();
        run(Command::new(program)
            .args(arguments)
            .arg(&self.archive)
            .current_dir(out))
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    pub succeeded: bool,
    pub printed: String,
    pub complained: String,
}

impl Ran {
    /// What it printed, if it had nothing to complain of.
    #[track_caller]
    pub fn content(self) -> String {
        assert!(self.succeeded && self.complained.is_empty(), "{self:#?}");
        self.printed
    }
}

pub fn run(command: &mut Command) -> Ran {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Ran {
        succeeded: output.status.success(),
        printed: String::from_utf8_lossy(&output.stdout).into_owned(),
        complained: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn get_xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 4096];
    let len = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    value.truncate(len);
    Some(value)
}
