//! `LocalSource`: directories of this machine.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use file_tree::filter::CacheDirectories;
use file_tree::walk::{self, Contents, Crossing, LeftOut, Walk, WalkedDir};
use file_tree::{Dir, Filter, Identity, Names, SourceFile, Stat, metadata};
use manifest::{Metadata, Source};

use super::snapshot::{self, Snapshot};
use super::streams::{self, HeldStreams};
use super::{
    BackupSource, DirReader, EntryProblem, EntryResult, FileReader, HeldSource, NOT_HELD, SourceDir,
    SourceEntry,
};
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor};
use crate::settings::{Settings, SnapshotSetting, SourceSettings, StreamSourceSettings};

/// The directories and commands that a client's settings name.
#[derive(Debug, Clone)]
pub struct LocalSource {
    settings: Vec<(SourceSettings, Arc<Filter>)>,
    streams: Vec<StreamSourceSettings>,
    /// A stream that gives nothing for so long is ended.
    stream_patience: Option<Duration>,
    threads: Option<usize>,
}

impl LocalSource {
    /// Checks the settings; nothing is opened yet.
    ///
    /// Fails with [`Error::BadSource`] on names that can't be names in a backup, on two sources of one name,
    /// on relative paths, on patterns that are not gitignore syntax, and on streams that can't be files.
    pub fn new(settings: &Settings) -> Result<Self> {
        let mut sources = Vec::with_capacity(settings.sources.len());
        for source in &settings.sources {
            let bad = |reason: String| Error::BadSource {
                name: source.name.clone(),
                reason,
            };
            manifest::check_name(source.name.as_bytes()).map_err(|error| bad(error.to_string()))?;
            if !source.path.is_absolute() {
                return Err(bad(format!("the path {} is not absolute", source.path.display())));
            }
            let filter = filter(source, &settings.exclude).map_err(|error| bad(error.to_string()))?;
            sources.push((source.clone(), Arc::new(filter)));
        }
        sources.sort_by(|(a, _), (b, _)| a.name.as_bytes().cmp(b.name.as_bytes()));
        for source in &settings.streams {
            let name = manifest::check_name(source.name.as_bytes()).map_err(|error| error.to_string());
            name.and_then(|()| streams::check(source))
                .map_err(|reason| Error::BadSource {
                    name: source.name.clone(),
                    reason,
                })?;
        }
        let names = sources.iter().map(|(source, _)| &source.name);
        let mut names: Vec<&String> = names
            .chain(settings.streams.iter().map(|source| &source.name))
            .collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::BadSource {
                name: pair[0].clone(),
                reason: "another source has the same name".to_owned(),
            });
        }
        Ok(Self {
            settings: sources,
            streams: settings.streams.clone(),
            stream_patience: settings.hooks.timeout,
            threads: (settings.threads > 0).then_some(settings.threads),
        })
    }

    /// The path on this machine of a path in a backup, for sources without snapshot.
    pub fn locate(&self, path: &[u8]) -> Option<(PathBuf, Vec<u8>)> {
        let (name, beneath) = match path.iter().position(|&byte| byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (path, &b""[..]),
        };
        let (source, _) = self
            .settings
            .iter()
            .find(|(source, _)| source.name.as_bytes() == name)?;
        Some((source.path.clone(), beneath.to_vec()))
    }
}

fn filter(source: &SourceSettings, excluded_everywhere: &[String]) -> file_tree::Result<Filter> {
    let mut builder = Filter::builder();
    if !source.include.is_empty() {
        builder = builder.exclude("/*")?;
        for pattern in &source.include {
            builder = builder.include(pattern)?;
        }
    }
    for pattern in excluded_everywhere.iter().chain(&source.exclude) {
        builder = builder.line(pattern)?;
    }
    builder = builder.exclude(&format!("{}*/", snapshot::NAME_PREFIX))?;
    if !source.cachedir_tag {
        builder = builder.cache_directories(CacheDirectories::Enter);
    }
    if let Some(name) = &source.ignore_file {
        builder = builder.ignore_file(name.as_bytes())?;
    }
    builder.build()
}

impl BackupSource for LocalSource {
    fn begin(&self, monitor: &dyn Monitor) -> Result<Box<dyn HeldSource>> {
        let mut held = HeldDirectories {
            sources: Vec::new(),
            roots: Vec::new(),
            streams: Vec::new(),
            snapshots: Vec::new(),
            names: Arc::new(Names::system()),
            threads: self.threads,
        };
        for (settings, filter) in &self.settings {
            match Dir::open(&settings.path) {
                Ok(dir) => held.add(settings, filter, dir, monitor)?,
                Err(error) if settings.optional && error.is_not_found() => {
                    let text = format!("the optional source {} is not there", settings.path.display());
                    monitor.log(Level::Info, &text);
                }
                Err(source) => {
                    return Err(Error::SourceMissing {
                        path: settings.path.clone(),
                        source,
                    });
                }
            }
        }
        for settings in &self.streams {
            let streams = HeldStreams::begin(settings, &held.names, self.stream_patience);
            held.sources.push(streams.source());
            held.streams.push(streams);
        }
        if held.sources.is_empty() {
            return Err(Error::NoSources);
        }
        Ok(Box::new(held))
    }
}

/// The directories of one backup.
struct HeldDirectories {
    sources: Vec<Source>,
    roots: Vec<Root>,
    streams: Vec<Arc<HeldStreams>>,
    snapshots: Vec<Snapshot>,
    names: Arc<Names>,
    threads: Option<usize>,
}

/// The root of one source.
struct Root {
    settings: SourceSettings,
    filter: Arc<Filter>,
    /// What is walked: the directory, or as the snapshot holds it.
    dir: Arc<Dir>,
    /// The directory itself when the backup began.
    identity: Identity,
}

impl HeldDirectories {
    fn add(
        &mut self,
        settings: &SourceSettings,
        filter: &Arc<Filter>,
        dir: Dir,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let identity = dir.stat_self()?.identity();
        let (dir, consistency) = match self.hold(settings) {
            Ok(held) => (held, snapshot::KIND),
            Err(reason) if settings.snapshot == SnapshotSetting::Required => {
                return Err(Error::SnapshotRequired {
                    path: settings.path.clone(),
                    reason,
                });
            }
            Err(reason) => {
                if settings.snapshot == SnapshotSetting::Auto {
                    let text = format!(
                        "{} is backed up without a snapshot: {reason}",
                        settings.path.display()
                    );
                    monitor.log(Level::Info, &text);
                }
                (Arc::new(dir), NOT_HELD)
            }
        };
        self.sources.push(Source {
            name: settings.name.as_bytes().into(),
            path: settings.path.as_os_str().as_bytes().into(),
            consistency: consistency.to_owned(),
        });
        self.roots.push(Root {
            settings: settings.clone(),
            filter: Arc::clone(filter),
            dir,
            identity,
        });
        Ok(())
    }

    /// Opens the source in a snapshot, which several sources may share; says why where there can't be one.
    fn hold(&mut self, settings: &SourceSettings) -> Result<Arc<Dir>, String> {
        if settings.snapshot == SnapshotSetting::Off {
            return Err("snapshots are switched off".to_owned());
        }
        if !settings.one_filesystem {
            return Err("a snapshot would not hold the other file systems beneath".to_owned());
        }
        let place = snapshot::Place::find(&settings.path)?;
        let shared = self
            .snapshots
            .iter()
            .find(|snapshot| snapshot.device() == place.device);
        if let Some(snapshot) = shared {
            return snapshot.open(place.beneath()).map_err(|error| error.to_string());
        }
        let (snapshot, beneath) = place.snapshot(self.snapshots.len())?;
        let opened = snapshot.open(&beneath).map_err(|error| error.to_string());
        self.snapshots.push(snapshot);
        opened
    }
}

impl HeldSource for HeldDirectories {
    fn sources(&self) -> &[Source] {
        &self.sources
    }

    fn walk(&self) -> Result<Box<dyn Iterator<Item = SourceDir> + Send>> {
        let source = |root: &Root| {
            // A descriptor of its own, for a listing moves its position.
            let dir = Arc::new(root.dir.open_beneath(b"")?);
            let crossing = if root.settings.one_filesystem {
                Crossing::Never
            } else {
                Crossing::All
            };
            let (name, filter) = (root.settings.name.as_bytes().into(), Arc::clone(&root.filter));
            Ok(walk::Source {
                name,
                dir,
                filter,
                crossing,
            })
        };
        let sources: Vec<walk::Source> = self.roots.iter().map(source).collect::<Result<_>>()?;
        let options = walk::Options {
            threads: self.threads,
            ..walk::Options::default()
        };
        let walk = Walk::start(sources, options)?;
        let roots = self
            .roots
            .iter()
            .map(|root| (root.settings.name.clone(), Arc::clone(&root.dir)))
            .collect();
        let scope = Scope {
            names: Arc::clone(&self.names),
            roots: Arc::new(roots),
        };
        let walk = walk.map(move |walked| source_dir(walked, &scope));
        Ok(streams::with_streams(walk, self.streams.clone()))
    }

    fn check_presence(&self) -> Result<()> {
        for root in &self.roots {
            let vanished = || Error::SourceVanished {
                path: root.settings.path.clone(),
            };
            let walked = root.dir.list().and_then(|_| root.dir.stat_self());
            let present = Dir::open(&root.settings.path).and_then(|dir| dir.stat_self());
            match (walked, present) {
                (Ok(_), Ok(stat)) if stat.identity() == root.identity => {}
                _ => return Err(vanished()),
            }
        }
        Ok(())
    }

    fn may_become_empty(&self, source: &[u8]) -> bool {
        let root = self
            .roots
            .iter()
            .find(|root| root.settings.name.as_bytes() == source);
        root.is_some_and(|root| root.settings.may_become_empty)
    }
}

/// What all directories of a walk have in common.
struct Scope {
    names: Arc<Names>,
    /// The sources, which are the entries of the backup's root.
    roots: Arc<Vec<(String, Arc<Dir>)>>,
}

fn source_dir(walked: WalkedDir, scope: &Scope) -> SourceDir {
    let entries = walked.entries.iter().map(|entry| SourceEntry {
        name: entry.name.into(),
        stat: *entry.stat,
    });
    let problems = walked.problems.into_iter().map(|problem| EntryProblem {
        name: problem.name,
        error: problem.error,
    });
    if let Contents::LeftOut(reason @ (LeftOut::Loop | LeftOut::OtherFileSystem)) = walked.contents {
        tracing::debug!(path = %file_tree::shown(&walked.path), ?reason, "a directory is not entered");
    }
    let place = match walked.dir {
        Some(dir) => Place::Open(dir),
        None if walked.path.is_empty() => Place::Root(Arc::clone(&scope.roots)),
        None => Place::Closed,
    };
    SourceDir {
        entries: entries.collect(),
        problems: problems.collect(),
        reader: Arc::new(LocalDir {
            place,
            names: Arc::clone(&scope.names),
        }),
        path: walked.path,
    }
}

/// Reads entries relative to an open directory.
struct LocalDir {
    place: Place,
    names: Arc<Names>,
}

/// Where a directory of the walk is.
enum Place {
    Open(Arc<Dir>),
    /// The backup's root: its entries are the sources.
    Root(Arc<Vec<(String, Arc<Dir>)>>),
    /// It was not entered, or could not be.
    Closed,
}

impl LocalDir {
    /// The open directory. One that is not open has no entries that anybody could ask for.
    fn dir(&self, name: &[u8]) -> EntryResult<&Arc<Dir>> {
        match &self.place {
            Place::Open(dir) => Ok(dir),
            Place::Root(_) | Place::Closed => Err(file_tree::Error::NotFound {
                operation: file_tree::Operation::Open,
                name: name.into(),
            }),
        }
    }

    fn read(
        &self,
        target: metadata::Target<'_>,
        stat: &Stat,
    ) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        with_attributes(metadata::read(target, stat, &self.names), || self.seen(stat))
    }
}

impl DirReader for LocalDir {
    fn seen(&self, stat: &Stat) -> Metadata {
        metadata::without_attributes(stat, &self.names)
    }

    fn metadata(&self, name: &[u8], stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        if let Place::Root(roots) = &self.place
            && let Some((_, dir)) = roots.iter().find(|(root, _)| root.as_bytes() == name)
        {
            return self.read((&**dir).into(), stat);
        }
        self.read(metadata::Target::At(self.dir(name)?, name), stat)
    }

    fn own_metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        match &self.place {
            Place::Open(dir) => self.read((&**dir).into(), stat),
            Place::Root(_) | Place::Closed => Ok((self.seen(stat), Vec::new())),
        }
    }

    fn look(&self, name: &[u8]) -> EntryResult<Stat> {
        self.dir(name)?.stat(name)
    }

    fn read_link(&self, name: &[u8]) -> EntryResult<Box<[u8]>> {
        self.dir(name)?.read_link(name)
    }

    fn open(&self, name: &[u8], stat: &Stat) -> EntryResult<Box<dyn FileReader>> {
        let file = SourceFile::open(self.dir(name)?, name, stat)?;
        Ok(Box::new(LocalFile {
            file,
            names: Arc::clone(&self.names),
        }))
    }
}

/// Opens a file that is no source's, to be read like one.
pub(crate) fn open_beneath(dir: &Dir, name: &[u8], stat: &Stat) -> EntryResult<impl FileReader + use<>> {
    // Nobody asks for its owner's name.
    let names = Arc::new(Names::fixed(&[], &[]));
    Ok(LocalFile {
        file: SourceFile::open(dir, name, stat)?,
        names,
    })
}

struct LocalFile {
    file: SourceFile,
    names: Arc<Names>,
}

impl FileReader for LocalFile {
    fn opened(&self) -> Stat {
        *self.file.opened()
    }

    fn stat(&self) -> EntryResult<Stat> {
        self.file.stat()
    }

    fn metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        let read = metadata::read(&self.file, stat, &self.names);
        with_attributes(read, || metadata::without_attributes(stat, &self.names))
    }

    fn data_ranges(&self) -> EntryResult<Vec<Range<u64>>> {
        self.file.data_ranges()
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> EntryResult<usize> {
        self.file.read_at(buffer, offset_bytes)
    }
}

/// Goes on with what the stat says where attributes can't be read, unless the entry is gone.
fn with_attributes(
    read: EntryResult<Metadata>,
    seen: impl FnOnce() -> Metadata,
) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
    match read {
        Ok(metadata) => Ok((metadata, Vec::new())),
        Err(error) if error.is_not_found() => Err(error),
        Err(error) => Ok((seen(), vec![error])),
    }
}

#[cfg(test)]
mod tests;
