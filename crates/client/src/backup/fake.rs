//! Sources and servers in memory, for tests.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use file_tree::{Attributes, DeviceNumber, Error as TreeError, FileType, Operation, Stat};
use manifest::{Metadata, Source, Timestamp};
use parking_lot::Mutex;
use wire::v1::file_end::Outcome;
use wire::v1::{Piece, PieceStart};

use super::pieces::PieceSink;
use crate::error::Result;
use crate::source::{DirReader, EntryResult, FileReader, HeldSource, SourceDir, SourceEntry};

/// Bytes that repeat nowhere.
pub(crate) fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub(crate) fn stat(kind: FileType, ino: u64, size: u64, version: u32) -> Stat {
    let time = Timestamp {
        secs: 1_000_000 + i64::from(version),
        nanos: 5,
    };
    Stat {
        kind,
        mode: 0o644,
        uid: 1,
        gid: 1,
        nlink: 1,
        attributes: Attributes::default(),
        size,
        ino,
        dev: DeviceNumber { major: 1, minor: 1 },
        rdev: DeviceNumber::default(),
        mount: 1,
        mtime: time,
        ctime: time,
    }
}

pub(crate) fn metadata(stat: &Stat) -> Metadata {
    Metadata {
        mode: stat.mode.into(),
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime,
        ctime: stat.ctime,
        ino: stat.ino,
        ..Metadata::default()
    }
}

/// A file whose content may change while it is read.
pub(crate) struct FakeFile {
    state: Arc<Mutex<FileState>>,
    opened: Stat,
    pub(crate) data: Option<Vec<Range<u64>>>,
    pub(crate) read_bytes: AtomicUsize,
    pub(crate) fails_at: Option<u64>,
}

pub(crate) struct FileState {
    pub(crate) content: Vec<u8>,
    pub(crate) stat: Stat,
    /// What the file becomes after so many more reads.
    pub(crate) changes: Vec<(usize, Vec<u8>)>,
}

impl FakeFile {
    pub(crate) fn new(content: Vec<u8>) -> Self {
        let stat = stat(FileType::File, 7, content.len() as u64, 0);
        Self::open(&Arc::new(Mutex::new(FileState {
            content,
            stat,
            changes: Vec::new(),
        })))
    }

    pub(crate) fn open(state: &Arc<Mutex<FileState>>) -> Self {
        let opened = state.lock().stat;
        Self {
            state: Arc::clone(state),
            opened,
            data: None,
            read_bytes: AtomicUsize::new(0),
            fails_at: None,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.opened.size
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        self.state.lock().content.clone()
    }

    pub(crate) fn cut(&mut self, len: usize) {
        self.state.lock().content.truncate(len);
    }
}

impl FileReader for FakeFile {
    fn opened(&self) -> Stat {
        self.opened
    }

    fn stat(&self) -> EntryResult<Stat> {
        Ok(self.state.lock().stat)
    }

    fn metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<TreeError>)> {
        Ok((metadata(stat), Vec::new()))
    }

    fn data_ranges(&self) -> EntryResult<Vec<Range<u64>>> {
        let size = self.state.lock().stat.size;
        Ok(self
            .data
            .clone()
            .unwrap_or_else(|| std::iter::once(0..size).collect()))
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> EntryResult<usize> {
        if self.fails_at.is_some_and(|at| offset_bytes >= at) {
            return Err(TreeError::new(Operation::Read, b"file", rustix::io::Errno::IO));
        }
        let mut state = self.state.lock();
        let from = state.content.get(offset_bytes as usize..).unwrap_or_default();
        let len = from.len().min(buffer.len());
        buffer[..len].copy_from_slice(&from[..len]);
        self.read_bytes.fetch_add(len, Ordering::Relaxed);
        if let Some((reads, _)) = state.changes.first_mut() {
            *reads = reads.saturating_sub(1);
            if *reads == 0 {
                let (_, content) = state.changes.remove(0);
                state.stat.size = content.len() as u64;
                state.stat.mtime.secs += 1;
                state.stat.ctime.secs += 1;
                state.content = content;
            }
        }
        Ok(len)
    }
}

/// One object of a tree in memory.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    File {
        stat: Stat,
        content: Vec<u8>,
    },
    Symlink {
        stat: Stat,
        target: Vec<u8>,
    },
    Socket {
        stat: Stat,
    },
    Dir {
        stat: Stat,
        children: BTreeMap<Vec<u8>, Node>,
    },
}

impl Node {
    pub(crate) fn stat(&self) -> Stat {
        match self {
            Self::File { stat, .. }
            | Self::Symlink { stat, .. }
            | Self::Socket { stat }
            | Self::Dir { stat, .. } => *stat,
        }
    }
}

/// A source in memory: the children of the root are the sources.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FakeSource {
    pub(crate) roots: BTreeMap<Vec<u8>, Node>,
    sources: Vec<Source>,
}

impl FakeSource {
    pub(crate) fn new(roots: BTreeMap<Vec<u8>, Node>) -> Self {
        let source = |name: &Vec<u8>| Source {
            name: name.as_slice().into(),
            path: name.as_slice().into(),
            consistency: "none".into(),
        };
        Self {
            sources: roots.keys().map(source).collect(),
            roots,
        }
    }

    /// All directories in manifest order.
    pub(crate) fn dirs(&self) -> Vec<SourceDir> {
        let mut dirs = Vec::new();
        list(b"", &self.roots, &mut dirs);
        dirs
    }
}

fn list(path: &[u8], children: &BTreeMap<Vec<u8>, Node>, dirs: &mut Vec<SourceDir>) {
    let entry = |(name, node): (&Vec<u8>, &Node)| SourceEntry {
        name: name.as_slice().into(),
        stat: node.stat(),
    };
    dirs.push(SourceDir {
        path: path.into(),
        entries: children.iter().map(entry).collect(),
        problems: Vec::new(),
        reader: Arc::new(FakeDir {
            children: children.clone(),
        }),
    });
    for (name, node) in children {
        if let Node::Dir { children, .. } = node {
            list(&manifest::join_path(path, name), children, dirs);
        }
    }
}

impl HeldSource for FakeSource {
    fn sources(&self) -> &[Source] {
        &self.sources
    }

    fn walk(&self) -> Result<Box<dyn Iterator<Item = SourceDir> + Send>> {
        Ok(Box::new(self.dirs().into_iter()))
    }

    fn check_presence(&self) -> Result<()> {
        Ok(())
    }

    fn may_become_empty(&self, _source: &[u8]) -> bool {
        false
    }
}

pub(crate) struct FakeDir {
    pub(crate) children: BTreeMap<Vec<u8>, Node>,
}

fn missing(name: &[u8]) -> TreeError {
    TreeError::NotFound {
        operation: Operation::Open,
        name: name.into(),
    }
}

impl DirReader for FakeDir {
    fn seen(&self, stat: &Stat) -> Metadata {
        metadata(stat)
    }

    fn metadata(&self, name: &[u8], stat: &Stat) -> EntryResult<(Metadata, Vec<TreeError>)> {
        self.children
            .get(name)
            .map(|_| (metadata(stat), Vec::new()))
            .ok_or_else(|| missing(name))
    }

    fn own_metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<TreeError>)> {
        Ok((metadata(stat), Vec::new()))
    }

    fn look(&self, name: &[u8]) -> EntryResult<Stat> {
        self.children
            .get(name)
            .map(Node::stat)
            .ok_or_else(|| missing(name))
    }

    fn read_link(&self, name: &[u8]) -> EntryResult<Box<[u8]>> {
        match self.children.get(name) {
            Some(Node::Symlink { target, .. }) => Ok(target.as_slice().into()),
            _ => Err(missing(name)),
        }
    }

    fn open(&self, name: &[u8], stat: &Stat) -> EntryResult<Box<dyn FileReader>> {
        match self.children.get(name) {
            Some(Node::File { stat: now, .. }) if now.identity() != stat.identity() => {
                Err(TreeError::Replaced { name: name.into() })
            }
            Some(Node::File { stat, content }) => {
                let state = FileState {
                    content: content.clone(),
                    stat: *stat,
                    changes: Vec::new(),
                };
                Ok(Box::new(FakeFile::open(&Arc::new(Mutex::new(state)))))
            }
            Some(_) => Err(TreeError::Replaced { name: name.into() }),
            None => Err(missing(name)),
        }
    }
}

/// A file as the server has it at the end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) content: Vec<u8>,
    pub(crate) hash: Vec<u8>,
    pub(crate) entry: Vec<u8>,
}

/// Takes pieces like a server, and checks their order.
#[derive(Default)]
pub(crate) struct FakeServer {
    /// What patches begin with.
    pub(crate) bases: HashMap<u64, Vec<u8>>,
    open: HashMap<u64, (Vec<u8>, u64)>,
    /// What became of files; `None` where dropped.
    pub(crate) ended: HashMap<u64, Option<Stored>>,
    pub(crate) data_bytes: usize,
    pub(crate) holes_bytes: u64,
}

impl PieceSink for FakeServer {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()> {
        let id = piece.file_id;
        assert!(!self.ended.contains_key(&id), "a piece after the end");
        self.data_bytes += bytes.len();
        self.holes_bytes += piece.hole_len_bytes;
        match piece.start() {
            PieceStart::New => drop(self.open.insert(id, (Vec::new(), 0))),
            PieceStart::Patch => {
                let known = self.open.remove(&id).map(|(content, _)| content);
                let content = known
                    .or_else(|| self.bases.get(&id).cloned())
                    .expect("a base to patch");
                self.open.insert(id, (content, 0));
            }
            PieceStart::None => {}
        }
        if piece
            .end
            .as_ref()
            .is_some_and(|end| end.outcome() == Outcome::Dropped)
        {
            self.ended.insert(id, None);
            return Ok(());
        }
        let (content, at) = self.open.get_mut(&id).expect("a file that was begun");
        assert!(
            piece.offset_bytes >= *at || self.bases.contains_key(&id),
            "the offsets of what is no patch rise"
        );
        let offset = piece.offset_bytes as usize;
        let end = offset + bytes.len() + piece.hole_len_bytes as usize;
        if content.len() < end && (!bytes.is_empty() || piece.hole_len_bytes > 0) {
            content.resize(end, 0xee);
        }
        if !bytes.is_empty() {
            content[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        if piece.hole_len_bytes > 0 {
            content[offset + bytes.len()..end].fill(0);
        }
        *at = end as u64;
        if let Some(file_end) = piece.end {
            let (content, _) = self.open.remove(&id).expect("it is open");
            self.ended.insert(
                id,
                Some(Stored {
                    content,
                    hash: file_end.hash,
                    entry: file_end.entry,
                }),
            );
        }
        Ok(())
    }
}
