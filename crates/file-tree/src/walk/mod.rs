//! `Walk`: every directory of a set of sources, in manifest order, scanned ahead in parallel.
//!
//! Manifest order is depth-first and pre-order, children sorted by the bytes of their names. The consumer
//! asks for one directory after the other; worker threads meanwhile scan the directories that come next. What
//! no worker has begun the consumer scans itself, so a walk also moves on with no threads at all.
//!
//! # Bounds
//!
//! - Memory: at most [`Options::ahead_entries`] entries (and one directory per thread) are held that the
//!   consumer has not taken yet. An entry takes about 110 bytes and its name.
//! - Descriptors: one for each of at most [`Options::ahead_dirs`] directories ahead, and for the 64 nearest
//!   ancestors of where the consumer is. Farther ancestors are closed and, when the consumer comes back to
//!   them, opened again from above and checked to be the same directory; nobody scans ahead in them until
//!   then.
//! - Stack: nothing here recurses; depth is limited by memory only.
//!
//! # What is not entered
//!
//! Other file systems unless [`Crossing`] says so; in no case a directory that is its own ancestor (bind
//! mounts), and no kernel interface such as `/proc` or `/sys`. Such a directory is reported with no entries
//! and the reason why. Reading never updates a directory's access time where the system allows that.
//!
//! # Lock order
//!
//! The board's lock is never held during a system call on the tree, nor while a branch's lock is taken.

mod board;
mod branch;
mod entries;
mod scan;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::name::check_name;
use crate::{Dir, Error, Filter, Result, Stat};

use board::{Board, Claim, Taken};
use branch::Branch;
pub use entries::{Entries, Walked};
use scan::{Scanned, Scanner};

/// How many ancestors of the consumer's position keep their descriptor.
const HELD_ANCESTORS: usize = 64;

/// One tree that is walked.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name of its directory in the backup's root.
    pub name: Box<[u8]>,
    /// Its root.
    pub dir: Arc<Dir>,
    /// What is left out.
    pub filter: Arc<Filter>,
    /// Where the walk stops.
    pub crossing: Crossing,
}

/// Which boundaries between file systems a walk crosses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crossing {
    /// None: mount points, bind mounts and nested btrfs subvolumes are left out.
    #[default]
    Never,
    /// Nested btrfs subvolumes are entered, mount points are not.
    Subvolumes,
    /// All but the kernel's own interfaces (proc, sysfs and the like).
    All,
}

/// How far and with how much a walk runs ahead of its consumer.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many threads scan beside the consumer; `None` for as many as there are cores.
    pub threads: Option<usize>,
    /// How many entries may be held that the consumer has not taken.
    pub ahead_entries: usize,
    /// How many directories, and so descriptors, may be held that the consumer has not taken.
    pub ahead_dirs: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            threads: None,
            ahead_entries: 1 << 16,
            ahead_dirs: 128,
        }
    }
}

/// One directory of a walk.
#[derive(Debug)]
pub struct WalkedDir {
    /// Its path in the backup: the source's name, then the path from the source's root. Empty for the
    /// backup's root.
    pub path: Box<[u8]>,
    /// The directory itself, for opening its entries; `None` for the backup's root and for what was not
    /// entered.
    pub dir: Option<Arc<Dir>>,
    /// What the directory was like when it was opened; `None` as for `dir`.
    pub stat: Option<Stat>,
    /// Its entries, sorted by name. In the backup's root: the sources.
    pub entries: Entries,
    /// Whether the entries are all there are.
    pub contents: Contents,
    /// How many entries the filter left out.
    pub filtered: usize,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// How completely a directory's entries are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// All but what the filter leaves out.
    Whole,
    /// Some are missing; the problems say why.
    Partial,
    /// None, since the directory was not entered.
    LeftOut(LeftOut),
    /// None, since the directory could not be read; the problems say why.
    Unreadable,
    /// None, since the directory was gone, or was no directory any more, when its turn came.
    Vanished,
}

/// Why a directory was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It is the root of another file system, mount or subvolume.
    OtherFileSystem,
    /// It is an interface of the kernel: proc, sysfs and the like.
    KernelInterface,
    /// It is one of its own ancestors.
    Loop,
    /// It is a cache directory: only its tag is reported.
    CacheDirectory,
}

/// Something in a directory that could not be read; the walk goes on.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The entry, or `None` if the directory itself is meant.
    pub name: Option<Box<[u8]>>,
    /// What happened.
    pub error: Error,
}

/// An ordered parallel walk: an iterator over [`WalkedDir`]. Dropping it stops its threads.
#[derive(Debug)]
pub struct Walk {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
    scanner: Scanner,
    /// The directories whose children are not all consumed, outermost first.
    ancestors: Vec<Level>,
    /// The path of the last of the ancestors.
    path: Vec<u8>,
    /// What is ready before any child is looked at: the backup's root.
    first: Option<WalkedDir>,
}

/// One directory whose children are being consumed.
#[derive(Debug)]
struct Level {
    branch: Arc<Branch>,
    next_child: usize,
    path_bytes: usize,
}

impl Walk {
    /// Starts a walk over `sources`, which are the entries of the first directory that is reported, the
    /// backup's root.
    ///
    /// Fails with [`Error::BadName`] or [`Error::DuplicateSource`], or if a source can't be looked at.
    pub fn start(mut sources: Vec<Source>, options: Options) -> Result<Walk> {
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        for source in &sources {
            check_name(&source.name)?;
        }
        if let Some(pair) = sources.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Error::DuplicateSource {
                name: pair[0].name.clone(),
            });
        }
        let (root, entries) = Branch::root(sources)?;
        let board = Arc::new(Board::new(options.ahead_entries, options.ahead_dirs));
        let level = Level {
            branch: Arc::new(root),
            next_child: 0,
            path_bytes: 0,
        };
        if level.branch.children() > 0 {
            board.add_branch(&level.branch);
        }
        let first = WalkedDir {
            entries,
            ..WalkedDir::empty(Contents::Whole)
        };
        Ok(Walk {
            threads: spawn_workers(&board, options.threads),
            board,
            scanner: Scanner::new(),
            ancestors: vec![level],
            path: Vec::new(),
            first: Some(first),
        })
    }

    /// Gets the scan of a child: made by a worker, or made here if no worker has begun it.
    fn obtain(&mut self, branch: &Arc<Branch>, child: usize) -> Scanned {
        loop {
            match self.board.take(branch, child) {
                Taken::Done(scanned) => return *scanned,
                Taken::Unclaimed => {
                    let scanned = self.scanner.scan(branch, child, &self.board);
                    if let Some(grown) = &scanned.branch {
                        self.board.add_branch(grown);
                    }
                    return scanned;
                }
                // While a worker is busy with this one, the one after it can be prepared.
                Taken::Other(claim) => {
                    let Claim { branch, child, .. } = &claim;
                    let scanned = self.scanner.scan(branch, *child, &self.board);
                    claim.publish(scanned);
                }
            }
        }
    }

    /// Makes the children of `branch` the next to be consumed; the path is that of the branch already.
    fn descend(&mut self, branch: Arc<Branch>) {
        self.ancestors.push(Level {
            branch,
            next_child: 0,
            path_bytes: self.path.len(),
        });
        if let Some(far) = self.ancestors.len().checked_sub(HELD_ANCESTORS + 1) {
            self.ancestors[far].branch.close();
        }
    }
}

impl Iterator for Walk {
    type Item = WalkedDir;

    fn next(&mut self) -> Option<WalkedDir> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let (branch, child) = loop {
            let level = self.ancestors.last_mut()?;
            if level.next_child < level.branch.children() {
                let child = level.next_child;
                level.next_child += 1;
                self.path.truncate(level.path_bytes);
                break (Arc::clone(&level.branch), child);
            }
            self.ancestors.pop();
        };
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(branch.child_name(child));
        let scanned = self.obtain(&branch, child);
        let walked = WalkedDir {
            path: self.path.as_slice().into(),
            ..scanned.walked
        };
        if let Some(grown) = scanned.branch {
            self.descend(grown);
        }
        Some(walked)
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.board.stop();
        for thread in self.threads.drain(..) {
            // A worker's panic has been met by the consumer already, which scanned the same directory.
            let _ = thread.join();
        }
    }
}

/// Starts the threads; with fewer than asked for, or none, the walk is only slower.
fn spawn_workers(board: &Arc<Board>, threads: Option<usize>) -> Vec<JoinHandle<()>> {
    let threads =
        threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
    let spawn = |_| {
        let board = Arc::clone(board);
        std::thread::Builder::new()
            .name("walk".into())
            .spawn(move || work(&board))
            .ok()
    };
    (0..threads).map_while(spawn).collect()
}

/// Scans what comes next until there is nothing left to scan or the walk is dropped.
fn work(board: &Arc<Board>) {
    let mut scanner = Scanner::new();
    while let Some(claim) = board.claim() {
        let scanned = scanner.scan(&claim.branch, claim.child, board);
        claim.publish(scanned);
    }
}
