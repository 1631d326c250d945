//! Scanning one directory: list, filter, look at each entry, sort.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::Errno;

use crate::filter::{
    CACHE_TAG_NAME, CacheDirectories, EntryKind, IgnoreLayer, Nodump, Passage, Verdict, is_cache_directory,
};
use crate::list::{Listed, Lister};
use crate::stat::{FileType, Stat};
use crate::{Dir, Error, Operation};

use super::board::Board;
use super::branch::{Branch, Entry, Subdirs, is_boundary};
use super::{Contents, Crossing, Entries, LeftOut, Problem, Source, WalkedDir};

/// One scanned directory.
#[derive(Debug)]
pub(super) struct Scanned {
    /// What the consumer gets; the consumer fills in the path.
    pub(super) walked: WalkedDir,
    /// The directory as parent of its subdirectories, if it has any that are walked.
    pub(super) branch: Option<Arc<Branch>>,
    /// Whether it could not be opened for want of a descriptor.
    pub(super) was_out_of_descriptors: bool,
}

/// Memory that is used for one directory after the other.
#[derive(Debug)]
pub(super) struct Scanner {
    lister: Lister,
    path: Vec<u8>,
}

/// A directory that is being scanned.
struct Scan<'a> {
    source: &'a Source,
    own: Stat,
    within: Option<Passage>,
    ignore: Option<Arc<IgnoreLayer>>,
    /// Subdirectories that only lead to something included.
    passages: Vec<(Box<[u8]>, Passage)>,
    walked: WalkedDir,
}

impl Scanner {
    pub(super) fn new() -> Scanner {
        Scanner {
            lister: Lister::new(),
            path: Vec::new(),
        }
    }

    /// Scans the child of `branch`. When the board is stopping, the result is incomplete and nobody asks for
    /// it.
    pub(super) fn scan(&mut self, branch: &Arc<Branch>, child: usize, board: &Board) -> Scanned {
        if branch.child_entry(child) == Entry::Boundary {
            return Scanned::without_entries(Contents::LeftOut(LeftOut::OtherFileSystem));
        }
        let opened = branch.open_child(child);
        let opened = opened.and_then(|dir| Stat::of(&*dir).map(|stat| (dir, stat)));
        let (dir, own) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                return Scanned::without_entries(Contents::Vanished);
            }
            Err(errno) => return Scanned::unreadable(branch.child_name(child), errno),
        };
        let source = branch.source_of_child(child);
        if let Some(reason) = reason_not_to_enter(branch, &dir, &own, source.crossing) {
            let mut left_out = Scanned::without_entries(Contents::LeftOut(reason));
            left_out.walked.stat = Some(own);
            return left_out;
        }
        let mut scan = Scan {
            source,
            own,
            within: branch.passage_of_child(child),
            ignore: branch.ignore.clone(),
            passages: Vec::new(),
            walked: WalkedDir {
                dir: Some(Arc::clone(&dir)),
                stat: Some(own),
                ..WalkedDir::empty(Contents::Whole)
            },
        };
        if let Err(errno) = self.lister.list(dir.as_fd()) {
            scan.report(None, Error::new(Operation::List, branch.child_name(child), errno));
        }
        let is_sources_root = branch.is_root();
        if !is_sources_root && scan.stop_at_cache_tag(&dir, &self.lister) {
            return Scanned {
                walked: scan.walked,
                branch: None,
                was_out_of_descriptors: false,
            };
        }
        self.collect(&mut scan, branch, child, &dir, board);
        let subdirs = scan.subdirs();
        let grown = (!subdirs.is_empty()).then(|| {
            Arc::new(Branch::grow(
                branch,
                child,
                dir,
                &own,
                subdirs,
                scan.ignore.take(),
            ))
        });
        Scanned {
            walked: scan.walked,
            branch: grown,
            was_out_of_descriptors: false,
        }
    }

    /// Judges and looks at everything that was listed.
    fn collect(&mut self, scan: &mut Scan<'_>, branch: &Branch, child: usize, dir: &Dir, board: &Board) {
        let listing = &mut self.lister.listing;
        if listing.malformed() > 0 {
            scan.report(
                None,
                Error::new(Operation::List, branch.child_name(child), Errno::BADMSG),
            );
        }
        listing.sort_by_inode();
        let by_path = scan.needs_paths();
        if by_path {
            branch.child_path(child, &mut self.path);
            if let Some(name) = scan.source.filter.ignore_file()
                && listing
                    .iter()
                    .any(|listed| listed.name == name && is_file(listed.kind))
            {
                scan.read_ignore_file(dir, name, &self.path);
            }
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
        }
        let prefix_bytes = self.path.len();
        scan.walked.entries = Entries::with_capacity(listing.len(), listing.names_bytes());
        for (position, listed) in listing.iter().enumerate() {
            if position % 1024 == 1023 && board.is_stopping() {
                return;
            }
            if by_path {
                self.path.truncate(prefix_bytes);
                self.path.extend_from_slice(listed.name);
            }
            scan.look_at(dir, listed, &self.path);
        }
        scan.walked.entries.sort();
    }
}

impl Scan<'_> {
    /// Adds an entry, unless the filter leaves it out or it is gone. `path` is only valid if paths are
    /// needed.
    fn look_at(&mut self, dir: &Dir, listed: Listed<'_>, path: &[u8]) {
        let Listed { name, kind, .. } = listed;
        // What the listing says is enough to leave an entry out without looking at it.
        let mut verdict = (kind != FileType::Unknown).then(|| self.judge(path, kind));
        if verdict == Some(Verdict::LeaveOut) {
            self.walked.filtered += 1;
            return;
        }
        let stat = match Stat::at(dir, name) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return,
            Err(errno) => {
                self.report(Some(name), Error::new(Operation::Stat, name, errno));
                return;
            }
        };
        if stat.kind != kind {
            verdict = None;
        }
        let nodump = self.source.filter.nodump() == Nodump::Honour && stat.attributes.is_nodump();
        match verdict.unwrap_or_else(|| self.judge(path, stat.kind)) {
            Verdict::Keep if !nodump => {}
            Verdict::Passage(passage) if !nodump => self.passages.push((name.into(), passage)),
            _ => {
                self.walked.filtered += 1;
                return;
            }
        }
        self.walked.entries.push(name, stat);
    }

    fn judge(&self, path: &[u8], kind: FileType) -> Verdict {
        let kind = match kind {
            FileType::Directory => EntryKind::Directory,
            _ => EntryKind::NotDirectory,
        };
        if let Some(ignore) = &self.ignore
            && ignore.leaves_out(path, kind)
        {
            return Verdict::LeaveOut;
        }
        if self.source.filter.has_no_rules() {
            return Verdict::Keep;
        }
        self.source.filter.judge(path, kind, self.within)
    }

    fn needs_paths(&self) -> bool {
        let filter = &self.source.filter;
        !filter.has_no_rules() || filter.ignore_file().is_some()
    }

    /// If this is a cache directory that is to be left out, reports its tag and returns true.
    fn stop_at_cache_tag(&mut self, dir: &Dir, lister: &Lister) -> bool {
        if self.source.filter.cache_directories() == CacheDirectories::Enter
            || !lister.listing.iter().any(|listed| listed.name == CACHE_TAG_NAME)
            || !is_cache_directory(dir)
        {
            return false;
        }
        if let Ok(stat) = Stat::at(dir, CACHE_TAG_NAME) {
            self.walked.entries.push(CACHE_TAG_NAME, stat);
        }
        self.walked.filtered = lister.listing.len() - self.walked.entries.len();
        self.walked.contents = Contents::LeftOut(LeftOut::CacheDirectory);
        true
    }

    fn read_ignore_file(&mut self, dir: &Dir, name: &[u8], dir_path: &[u8]) {
        match IgnoreLayer::read(dir, name, dir_path, self.ignore.clone()) {
            Ok((layer, bad_lines)) => {
                self.ignore = Some(Arc::new(layer));
                // What a bad line would have left out is kept: nothing is missing.
                let problem = |error| Problem {
                    name: Some(name.into()),
                    error,
                };
                self.walked.problems.extend(bad_lines.into_iter().map(problem));
            }
            Err(error) => self.walked.problems.push(Problem {
                name: Some(name.into()),
                error,
            }),
        }
    }

    /// Returns the directories among the entries, with what is known about each.
    fn subdirs(&self) -> Subdirs {
        let mut subdirs = Subdirs::default();
        for entry in self
            .walked
            .entries
            .iter()
            .filter(|entry| entry.stat.kind == FileType::Directory)
        {
            let passage = self.passages.iter().find(|(name, _)| **name == *entry.name);
            let known = match passage {
                _ if is_boundary(
                    entry.stat,
                    self.own.identity(),
                    self.own.mount,
                    self.source.crossing,
                ) =>
                {
                    Entry::Boundary
                }
                Some((_, passage)) => Entry::Through(*passage),
                None => Entry::Walk,
            };
            subdirs.push(entry.name, known);
        }
        subdirs
    }

    fn report(&mut self, name: Option<&[u8]>, error: Error) {
        self.walked.contents = Contents::Partial;
        self.walked.problems.push(Problem {
            name: name.map(Box::from),
            error,
        });
    }
}

impl Scanned {
    fn without_entries(contents: Contents) -> Scanned {
        Scanned {
            walked: WalkedDir::empty(contents),
            branch: None,
            was_out_of_descriptors: false,
        }
    }

    fn unreadable(name: &[u8], errno: Errno) -> Scanned {
        let mut scanned = Scanned::without_entries(Contents::Unreadable);
        let error = Error::new(Operation::Open, name, errno);
        scanned.walked.problems.push(Problem { name: None, error });
        scanned.was_out_of_descriptors = matches!(errno, Errno::MFILE | Errno::NFILE);
        scanned
    }
}

impl WalkedDir {
    pub(super) fn empty(contents: Contents) -> WalkedDir {
        WalkedDir {
            path: Box::default(),
            dir: None,
            stat: None,
            entries: Entries::default(),
            contents,
            filtered: 0,
            problems: Vec::new(),
        }
    }
}

fn is_file(kind: FileType) -> bool {
    matches!(kind, FileType::File | FileType::Unknown)
}

fn reason_not_to_enter(branch: &Branch, dir: &Dir, own: &Stat, crossing: Crossing) -> Option<LeftOut> {
    if branch.is_boundary(own, crossing) {
        return Some(LeftOut::OtherFileSystem);
    }
    if branch.has_ancestor(own.identity()) {
        return Some(LeftOut::Loop);
    }
    if branch.is_other_mount(own) && is_kernel_interface(dir) {
        return Some(LeftOut::KernelInterface);
    }
    None
}

/// File systems that show the kernel's state (magic numbers of include/uapi/linux/magic.h).
const KERNEL_INTERFACES: [u64; 17] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x1cd1,      // devpts
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0x4249_4e4d, // binfmt_misc
    0x1980_0202, // mqueue
    0x9584_58f6, // hugetlbfs
    0x6e73_6673, // nsfs
    0x6759_6969, // rpc_pipefs
];

fn is_kernel_interface(dir: &Dir) -> bool {
    rustix::fs::fstatfs(dir).is_ok_and(|stats| KERNEL_INTERFACES.contains(&(stats.f_type as u64)))
}
