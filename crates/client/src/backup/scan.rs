//! The walk of a backup: merged with the base, told to the server, assembled, and its files queued.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use manifest::delta::{DirDelta, FileId, Op};
use manifest::{RawRecord, Reader, compare_paths};

use super::merge::{Changed, Merge, PlannedFile, Step};
use super::session::Session;
use crate::error::{Error, Result, explain};
use crate::monitor::{Problem, ProblemKind};
use crate::source::{EntryProblem, HeldSource, SourceDir, UNKNOWN_SIZE_BYTES};

/// Directories that are told as one at most, so that the server can work meanwhile.
const LONGEST_RUN: u64 = 512;

type BaseRecords = Box<dyn Iterator<Item = manifest::Result<RawRecord>> + Send>;

/// Where the results of a walk go.
pub(super) trait Destination {
    /// Waits until `files` more files may be announced; fails if the session is over.
    fn wait_for_room(&self, files: usize) -> Result<()>;
    /// Takes the next operation.
    fn operation(&self, op: &Op) -> Result<()>;
    /// Takes a directory that is as in the base.
    fn same(&self, record: &RawRecord) -> Result<()>;
    /// Takes a directory that is new or has changed, with its pending files by their place.
    fn changed(&self, record: manifest::DirRecord, pending: &[(usize, FileId)]) -> Result<()>;
    /// Takes the files that have been announced.
    fn announce(&self, dir: &SourceDir, files: Vec<PlannedFile>);
    /// Takes a problem.
    fn report(&self, problem: &Problem);
    /// Takes how far the walk is.
    fn seen(&self, dir: &SourceDir, step: &Step);
}

/// Walks a source.
pub(super) struct Scan<'a, D> {
    destination: &'a D,
    merge: Merge,
    base: Peekable<BaseRecords>,
    run: Option<Run>,
    /// Inode numbers of the sources at the last backup.
    base_roots: HashMap<Box<[u8]>, u64>,
}

/// Base directories of one fate, not yet told to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Same(u64),
    Drop(u64),
}

impl<'a, D: Destination> Scan<'a, D> {
    pub(super) fn new(destination: &'a D, merge: Merge, base: Option<&Reader>) -> Self {
        let base: BaseRecords = match base {
            Some(reader) => Box::new(reader.raw_records()),
            None => Box::new(std::iter::empty()),
        };
        Self::over(destination, merge, base)
    }

    fn over(destination: &'a D, merge: Merge, base: BaseRecords) -> Self {
        Self {
            destination,
            merge,
            base: base.peekable(),
            run: None,
            base_roots: HashMap::new(),
        }
    }

    /// Walks the whole source.
    pub(super) fn run(mut self, source: &dyn HeldSource) -> Result<()> {
        for dir in source.walk()? {
            self.directory(&dir, source)?;
        }
        while self.base.next().transpose()?.is_some() {
            self.extend(Run::Drop(1))?;
        }
        self.end_run()?;
        // Only now: what the walk did not find may not count before the source is known to be still there.
        source.check_presence()
    }

    fn directory(&mut self, dir: &SourceDir, source: &dyn HeldSource) -> Result<()> {
        for problem in &dir.problems {
            self.destination.report(&walk_problem(dir, problem));
        }
        let base = self.base_of(&dir.path)?;
        self.check_source(dir, base.as_ref(), source)?;
        let mut problems = Vec::new();
        let step = self.merge.directory(dir, base.as_ref(), &mut problems);
        problems
            .iter()
            .for_each(|problem| self.destination.report(problem));
        let step = step?;
        self.destination.seen(dir, &step);
        match (step, base) {
            (Step::Same, Some(record)) => {
                self.destination.same(&record)?;
                self.extend(Run::Same(1))
            }
            (Step::Same, None) => unreachable!("only what the base has can be the same"),
            (Step::Changed(changed), base) => self.changed(dir, *changed, base.as_ref()),
        }
    }

    /// Takes the base's record of a directory; what the base has before it is gone.
    fn base_of(&mut self, path: &[u8]) -> Result<Option<RawRecord>> {
        loop {
            match self.base.peek() {
                Some(Ok(record)) if compare_paths(record.path(), path).is_lt() => {
                    self.base.next();
                    self.extend(Run::Drop(1))?;
                }
                Some(Ok(record)) if record.path() != path => return Ok(None),
                Some(_) => return Ok(self.base.next().transpose()?),
                None => return Ok(None),
            }
        }
    }

    fn changed(&mut self, dir: &SourceDir, changed: Changed, base: Option<&RawRecord>) -> Result<()> {
        self.end_run()?;
        let base = base.map(RawRecord::decode).transpose()?;
        let applied = changed.delta.apply(base.as_ref())?;
        self.destination.wait_for_room(changed.files.len())?;
        let delta: DirDelta = changed.delta;
        // ORDER: assembled before it is announced, for a file may be complete at once; announced before the server is
        // told, for that may answer at once.
        self.destination.changed(applied.record, &applied.pending)?;
        self.destination.announce(dir, changed.files);
        self.destination.operation(&Op::Dir(Box::new(delta)))
    }

    /// Stops where a source looks as if its file system was not mounted, or can't be read at all.
    fn check_source(
        &mut self,
        dir: &SourceDir,
        base: Option<&RawRecord>,
        source: &dyn HeldSource,
    ) -> Result<()> {
        if dir.path.is_empty() {
            for entry in base.map(RawRecord::entries).transpose()?.into_iter().flatten() {
                let entry = entry?;
                self.base_roots.insert(entry.name.into(), entry.ino);
            }
            self.base_roots.retain(|name, ino| {
                let walked = dir.entries.iter().find(|entry| entry.name == *name);
                walked.is_some_and(|entry| entry.stat.ino != *ino)
            });
            return Ok(());
        }
        let found = source.sources().iter().find(|source| source.name == dir.path);
        let Some(found) = found.filter(|_| dir.entries.is_empty()) else {
            return Ok(());
        };
        if let Some(problem) = dir.problems.iter().find(|problem| problem.name.is_none()) {
            let path = PathBuf::from(OsStr::from_bytes(&found.path));
            return Err(Error::SourceMissing {
                path,
                source: problem.error.clone(),
            });
        }
        let held_files = base
            .map(RawRecord::entries)
            .transpose()?
            .is_some_and(|entries| !entries.is_empty());
        let is_another = self.base_roots.contains_key(&dir.path);
        if held_files && is_another && !source.may_become_empty(&dir.path) {
            return Err(Error::SourceEmptied {
                name: dir.path.clone(),
            });
        }
        Ok(())
    }

    fn extend(&mut self, more: Run) -> Result<()> {
        self.run = match (self.run, more) {
            (Some(Run::Same(dirs)), Run::Same(more)) if dirs < LONGEST_RUN => Some(Run::Same(dirs + more)),
            (Some(Run::Drop(dirs)), Run::Drop(more)) => Some(Run::Drop(dirs + more)),
            _ => {
                self.end_run()?;
                Some(more)
            }
        };
        Ok(())
    }

    fn end_run(&mut self) -> Result<()> {
        match self.run.take() {
            Some(Run::Same(dirs)) => self.destination.operation(&Op::Same { dirs }),
            Some(Run::Drop(dirs)) => self.destination.operation(&Op::Drop { dirs }),
            None => Ok(()),
        }
    }
}

fn walk_problem(dir: &SourceDir, problem: &EntryProblem) -> Problem {
    let path = match &problem.name {
        Some(name) => manifest::join_path(&dir.path, name),
        None => dir.path.clone(),
    };
    let kind = if problem.error.is_not_found() {
        ProblemKind::Vanished
    } else {
        ProblemKind::Unreadable
    };
    Problem::new(kind, path, explain(&problem.error))
}

impl Destination for Session {
    fn wait_for_room(&self, files: usize) -> Result<()> {
        self.queue.wait_for_room(files)
    }

    fn operation(&self, op: &Op) -> Result<()> {
        self.outbox.operation(op)
    }

    fn same(&self, record: &RawRecord) -> Result<()> {
        self.assemble(|assembler| assembler.push_raw(record))
    }

    fn changed(&self, record: manifest::DirRecord, pending: &[(usize, FileId)]) -> Result<()> {
        let mut waiting_bytes = 0;
        self.assemble(|assembler| {
            assembler.push(record, pending)?;
            waiting_bytes = assembler.waiting_bytes();
            Ok(())
        })?;
        self.queue.note_waiting(waiting_bytes);
        Ok(())
    }

    fn announce(&self, dir: &SourceDir, files: Vec<PlannedFile>) {
        self.queue.announce(&dir.path, &dir.reader, files);
    }

    fn report(&self, problem: &Problem) {
        Session::report(self, problem);
    }

    fn seen(&self, dir: &SourceDir, step: &Step) {
        let counts = &self.counts;
        let pending = match step {
            Step::Same => 0,
            Step::Changed(changed) => {
                let sizes = changed.files.iter().map(|file| file.entry.size());
                let bytes = sizes.filter(|size| *size != UNKNOWN_SIZE_BYTES).sum();
                counts.bytes_total.fetch_add(bytes, Ordering::Relaxed);
                changed.files.len()
            }
        };
        let settled = (dir.entries.len() - pending) as u64;
        counts.files_done.fetch_add(settled, Ordering::Relaxed);
        let mut path = counts.path.lock();
        path.clear();
        path.extend_from_slice(&dir.path);
    }
}

#[cfg(test)]
mod tests;
