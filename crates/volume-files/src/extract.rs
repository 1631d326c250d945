//! Writing files out of a volume beneath a directory.
//!
//! Everything is created by name relative to an open directory, none of whose parts may be a link ([`file_tree`]); a name that is no
//! single component, such as `..` or one with a slash, is refused and the rest goes on.
//!
//! ORDER: the metadata of directories comes last, since writing into them changes their times and may need more permission.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use file_tree::metadata::{Apply, Aspect, Owners, Prior, Target, apply};
use file_tree::{Dir, FileType, check_name, split_last};
use manifest::{InodeFlags, Metadata};
use rustix::process::{getegid, geteuid};

use crate::content::Content;
use crate::{Entry, Error, Files, Kind, Result, Step};

/// What files are called while they are written, before they replace another one.
const UNFINISHED: &[u8] = b".perennial-extracting";
/// So that nobody else reads a file that is not complete.
const MODE_MEANWHILE: u32 = 0o700;

/// What to do with a file that is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and is reported.
    Keep,
    /// It is replaced. A directory is not.
    Overwrite,
    /// That ends the work.
    Fail,
}

/// Who is told how it goes.
pub trait Watch {
    /// So many bytes were written.
    fn done(&mut self, len_bytes: u64);
    /// Something was left out.
    fn problem(&mut self, path: &[u8], reason: String);
    /// Whether somebody wants it to end.
    fn is_cancelled(&self) -> bool;
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Files and links.
    pub files: u64,
    /// Directories, those that were there included.
    pub directories: u64,
    /// Bytes, without holes.
    pub data_bytes: u64,
    /// What was left out.
    pub problems: u64,
}

/// Writes a file into a directory, or what a directory holds.
///
/// Owners are those of the volume where the process may set them; extended attributes and access lists are not read.
///
/// # Errors
/// [`Error::InTheWay`] where nothing that exists may be replaced; [`Error::Cancelled`]; and whatever would fail for all that
/// follows: a full target for instance. What fails for one file alone is a problem and not an error.
pub fn extract(
    files: &Files<'_>,
    entry: &Entry,
    to: &Dir,
    existing: Existing,
    watch: &mut dyn Watch,
) -> Result<Extracted> {
    let mut extraction = Extraction {
        files,
        to,
        existing,
        watch,
        is_root: geteuid().is_root(),
        directories: Vec::new(),
        extracted: Extracted::default(),
    };
    if entry.kind == Kind::Directory {
        files.walk(entry, &mut |path, entry| extraction.one(path, entry))?;
    } else {
        extraction.one(&entry.name, entry)?;
    }
    extraction.finish()
}

struct Extraction<'a> {
    files: &'a Files<'a>,
    to: &'a Dir,
    existing: Existing,
    watch: &'a mut dyn Watch,
    is_root: bool,
    /// What is still to be done to directories.
    directories: Vec<(Vec<u8>, Metadata)>,
    extracted: Extracted,
}

impl Extraction<'_> {
    /// Writes one entry; what keeps it from being written is a problem.
    fn one(&mut self, path: &[u8], entry: &Entry) -> Result<Step> {
        if self.watch.is_cancelled() {
            return Err(Error::Cancelled);
        }
        match self.write(path, entry) {
            Ok(()) => Ok(Step::Into),
            Err(error) if is_of_one(&error, self.existing) => {
                self.problem(path, error.in_words());
                Ok(Step::Over)
            }
            Err(error) => Err(error),
        }
    }

    fn problem(&mut self, path: &[u8], reason: String) {
        self.extracted.problems += 1;
        self.watch.problem(path, reason);
    }

    fn write(&mut self, path: &[u8], entry: &Entry) -> Result<()> {
        check_name(&entry.name)?;
        let (parent, name) = split_last(path).unwrap_or((b"", path));
        let parent = self.to.open_beneath(parent)?;
        let in_the_way = match parent.stat(name) {
            Ok(stat) => Some(stat.kind),
            Err(file_tree::Error::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        match &entry.kind {
            Kind::Unreadable { reason } => {
                return Err(Error::Unreadable {
                    reason: reason.clone(),
                });
            }
            Kind::Special(_) => return Err(Error::unsupported("extracting sockets, pipes and devices")),
            Kind::Directory => return self.directory(path, entry, &parent, name, in_the_way),
            Kind::File | Kind::Link { .. } => {}
        }
        let is_replaced = match in_the_way {
            None => false,
            Some(kind) if kind != FileType::Directory && self.existing == Existing::Overwrite => true,
            Some(_) => return Err(Error::InTheWay { path: path.into() }),
        };
        let first_name = if is_replaced { UNFINISHED } else { name };
        self.file_or_link(path, entry, &parent, first_name)?;
        if is_replaced && let Err(error) = parent.rename(first_name, &parent, name) {
            // What can't be removed stays behind, and the error says where.
            let _ = parent.remove(first_name);
            return Err(error.into());
        }
        self.extracted.files += 1;
        Ok(())
    }

    fn directory(
        &mut self,
        path: &[u8],
        entry: &Entry,
        parent: &Dir,
        name: &[u8],
        in_the_way: Option<FileType>,
    ) -> Result<()> {
        match in_the_way {
            None => {
                parent.create_dir(name, MODE_MEANWHILE)?;
                self.directories.push((path.to_vec(), metadata(entry)));
            }
            // One that was there before keeps what it has.
            Some(FileType::Directory) => {}
            Some(_) => return Err(Error::InTheWay { path: path.into() }),
        }
        self.extracted.directories += 1;
        Ok(())
    }

    fn file_or_link(&mut self, path: &[u8], entry: &Entry, parent: &Dir, name: &[u8]) -> Result<()> {
        if let Kind::Link { target } = &entry.kind {
            parent.create_symlink(name, target)?;
            return self.apply(path, Target::At(parent, name), &metadata(entry));
        }
        let file = parent.create_file(name, MODE_MEANWHILE & 0o666)?;
        let written = self
            .content(path, entry, &file)
            .and_then(|()| self.apply(path, Target::from(&file), &metadata(entry)));
        if written.is_err() {
            // Half a file would pass for a whole one.
            parent.remove(name)?;
        }
        written
    }

    fn content(&mut self, path: &[u8], entry: &Entry, file: &File) -> Result<()> {
        let failed = |source| Error::Write {
            path: path.into(),
            source,
        };
        let mut at = 0_u64;
        let (watch, extracted) = (&mut *self.watch, &mut self.extracted);
        self.files.read(entry, &mut |content| {
            match content {
                Content::Data(bytes) => {
                    file.write_all_at(bytes, at).map_err(failed)?;
                    at += bytes.len() as u64;
                    extracted.data_bytes += bytes.len() as u64;
                    watch.done(bytes.len() as u64);
                }
                Content::Hole(len_bytes) => at = at.saturating_add(len_bytes),
            }
            if watch.is_cancelled() {
                return Err(Error::Cancelled);
            }
            Ok(())
        })?;
        file.set_len(at).map_err(failed)
    }

    /// Applies metadata; what does not work is a problem, but for owners where only root may give files away.
    fn apply(&mut self, path: &[u8], target: Target<'_>, wanted: &Metadata) -> Result<()> {
        let how = Apply {
            owners: Owners::Numeric,
            prior: Prior::Unknown,
            flags: InodeFlags::default(),
        };
        for missing in apply(target, wanted, how)? {
            let is_expected =
                matches!(missing.what, Aspect::Owner | Aspect::Group | Aspect::Mode) && !self.is_root;
            if !is_expected {
                self.problem(path, format!("it is without its {missing}"));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Extracted> {
        for (path, wanted) in std::mem::take(&mut self.directories).into_iter().rev() {
            let applied = self.to.open_beneath(&path).map_err(Error::from);
            let applied = applied.and_then(|dir| self.apply(&path, Target::from(&dir), &wanted));
            if let Err(error) = applied {
                self.problem(&path, error.in_words());
            }
        }
        Ok(self.extracted)
    }
}

/// Whether an error says nothing of the other files.
fn is_of_one(error: &Error, existing: Existing) -> bool {
    match error {
        Error::InTheWay { .. } => existing != Existing::Fail,
        Error::Write { source, .. } => source.raw_os_error() == Some(rustix::io::Errno::FBIG.raw_os_error()),
        Error::Cancelled => false,
        _ => true,
    }
}

fn metadata(entry: &Entry) -> Metadata {
    let own = (geteuid().as_raw(), getegid().as_raw());
    let (uid, gid) = entry.owner.map_or(own, |owner| (owner.uid, owner.gid));
    Metadata {
        mode: entry.mode,
        uid,
        gid,
        mtime: entry.modified,
        ..Metadata::default()
    }
}
