//! Sources whose files are the output of commands.
//!
//! Such a source is one directory without subdirectories. Its commands are run one by one as their files have their turn; nothing of what
//! they print is kept here. They are put into the walk of the directories where they belong in manifest order.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use file_tree::{Attributes, DeviceNumber, FileType, Names, Operation, Stat, metadata};
use manifest::{Metadata, Source, Timestamp, compare_paths};
use shell::{CommandEnd, Outputs, Said, Shell, Step};

use super::{
    DirReader, EntryResult, FileReader, SourceDir, SourceEntry, StreamError, StreamReader, UNKNOWN_SIZE_BYTES,
};
use crate::aligned;
use crate::settings::{Alignment, StreamSettings, StreamSourceSettings};

/// How long somebody else may hold the output of a command open that has exited.
const LINGER: Duration = Duration::from_secs(5);
/// The pipe of the standard output.
const OUT: usize = 0;

/// A source of streams for the time of one backup.
#[derive(Debug)]
pub(super) struct HeldStreams {
    name: String,
    /// Sorted by the names of their files in the backup.
    files: Vec<StreamFile>,
    names: Arc<Names>,
    begun: Timestamp,
    /// A command that prints nothing for so long is ended.
    patience: Option<Duration>,
}

#[derive(Debug, Clone)]
struct StreamFile {
    name: Vec<u8>,
    settings: StreamSettings,
}

/// The name of a stream's file in a backup.
fn file_name(stream: &StreamSettings) -> Vec<u8> {
    let suffix = match stream.alignment {
        Alignment::Off => "",
        Alignment::Blocks => aligned::SUFFIX,
    };
    format!("{}{suffix}", stream.name).into_bytes()
}

/// Says what is wrong with the settings of a source of streams.
pub(super) fn check(source: &StreamSourceSettings) -> Result<(), String> {
    if source.streams.is_empty() {
        return Err("it has no streams".to_owned());
    }
    let mut names = Vec::new();
    for stream in &source.streams {
        let name = file_name(stream);
        manifest::check_name(&name).map_err(|error| error.to_string())?;
        if stream.name.ends_with(aligned::SUFFIX) {
            return Err(format!("{:?} ends as only aligned streams do", stream.name));
        }
        if names.contains(&name) {
            return Err(format!("two streams are called {:?}", stream.name));
        }
        if stream.command.trim().is_empty() || stream.command.contains('\0') {
            return Err(format!("the command of {:?} can't be one", stream.name));
        }
        names.push(name);
    }
    Ok(())
}

impl HeldStreams {
    pub(super) fn begin(
        settings: &StreamSourceSettings,
        names: &Arc<Names>,
        patience: Option<Duration>,
    ) -> Arc<Self> {
        let file = |stream: &StreamSettings| StreamFile {
            name: file_name(stream),
            settings: stream.clone(),
        };
        let mut files: Vec<StreamFile> = settings.streams.iter().map(file).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Arc::new(Self {
            name: settings.name.clone(),
            files,
            names: Arc::clone(names),
            begun: now(),
            patience,
        })
    }

    pub(super) fn source(&self) -> Source {
        Source {
            name: self.name.as_bytes().into(),
            path: Box::default(),
            consistency: manifest::STREAMED.to_owned(),
        }
    }

    fn entry(&self) -> SourceEntry {
        SourceEntry {
            name: self.name.as_bytes().into(),
            stat: made_up(FileType::Directory, 0o700, self.begun),
        }
    }
}

/// Puts sources of streams into a walk, whose first directory is the root.
pub(super) fn with_streams(
    walk: impl Iterator<Item = SourceDir> + Send + 'static,
    mut streams: Vec<Arc<HeldStreams>>,
) -> Box<dyn Iterator<Item = SourceDir> + Send> {
    if streams.is_empty() {
        return Box::new(walk);
    }
    streams.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let mut walk = walk.peekable();
    let root = walk.next().map(|root| with_entries(root, &streams));
    let mut streams = streams.into_iter().peekable();
    let rest = std::iter::from_fn(move || {
        let is_first = |held: &Arc<HeldStreams>, walked: Option<&SourceDir>| {
            walked.is_none_or(|walked| compare_paths(held.name.as_bytes(), &walked.path).is_lt())
        };
        match streams.next_if(|held| is_first(held, walk.peek())) {
            Some(held) => Some(directory(&held)),
            None => walk.next(),
        }
    });
    Box::new(root.into_iter().chain(rest))
}

/// Adds the sources to the entries of the root.
fn with_entries(root: SourceDir, streams: &[Arc<HeldStreams>]) -> SourceDir {
    let mut entries = root.entries;
    entries.extend(streams.iter().map(|held| held.entry()));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    SourceDir {
        entries,
        reader: Arc::new(Root {
            walked: root.reader,
            streams: streams.to_vec(),
        }),
        ..root
    }
}

fn directory(held: &Arc<HeldStreams>) -> SourceDir {
    let entry = |file: &StreamFile| SourceEntry {
        name: file.name.as_slice().into(),
        stat: Stat {
            size: UNKNOWN_SIZE_BYTES,
            ..made_up(FileType::File, 0o600, held.begun)
        },
    };
    SourceDir {
        path: held.name.as_bytes().into(),
        entries: held.files.iter().map(entry).collect(),
        problems: Vec::new(),
        reader: Arc::clone(held) as Arc<dyn DirReader>,
    }
}

/// The root of a walk, with sources that are not on any file system.
struct Root {
    walked: Arc<dyn DirReader>,
    streams: Vec<Arc<HeldStreams>>,
}

impl DirReader for Root {
    fn seen(&self, stat: &Stat) -> Metadata {
        self.walked.seen(stat)
    }

    fn metadata(&self, name: &[u8], stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        if self.streams.iter().any(|held| held.name.as_bytes() == name) {
            return Ok((self.seen(stat), Vec::new()));
        }
        self.walked.metadata(name, stat)
    }

    fn own_metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        self.walked.own_metadata(stat)
    }

    fn look(&self, name: &[u8]) -> EntryResult<Stat> {
        self.walked.look(name)
    }

    fn read_link(&self, name: &[u8]) -> EntryResult<Box<[u8]>> {
        self.walked.read_link(name)
    }

    fn open(&self, name: &[u8], stat: &Stat) -> EntryResult<Box<dyn FileReader>> {
        self.walked.open(name, stat)
    }
}

impl DirReader for HeldStreams {
    fn seen(&self, stat: &Stat) -> Metadata {
        metadata::without_attributes(stat, &self.names)
    }

    fn metadata(&self, _name: &[u8], stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        Ok((self.seen(stat), Vec::new()))
    }

    fn own_metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)> {
        Ok((self.seen(stat), Vec::new()))
    }

    fn look(&self, name: &[u8]) -> EntryResult<Stat> {
        Err(no_file(name))
    }

    fn read_link(&self, name: &[u8]) -> EntryResult<Box<[u8]>> {
        Err(no_file(name))
    }

    fn open(&self, name: &[u8], _stat: &Stat) -> EntryResult<Box<dyn FileReader>> {
        Err(no_file(name))
    }

    fn stream(&self, name: &[u8]) -> Option<Result<Box<dyn StreamReader>, StreamError>> {
        let file = self.files.iter().find(|file| file.name == name)?;
        let begun = made_up(FileType::File, 0o600, now());
        let metadata = self.seen(&begun);
        let environment = [("PERENNIAL_STREAM", &file.settings.name)];
        let shell = Shell::start(&file.settings.command, &environment, Outputs::Apart);
        let started = shell.map_err(StreamError::from).map(|shell| CommandStream {
            shell: Some(shell),
            said: Said::default(),
            metadata,
            alignment: file.settings.alignment,
            patience: self.patience,
        });
        Some(started.map(|stream| Box::new(stream) as Box<dyn StreamReader>))
    }
}

/// A running command whose output is read.
struct CommandStream {
    /// Taken out at its end.
    shell: Option<Shell>,
    said: Said,
    metadata: Metadata,
    alignment: Alignment,
    patience: Option<Duration>,
}

impl StreamReader for CommandStream {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn alignment(&self) -> Alignment {
        self.alignment
    }

    fn read(&mut self, buffer: &mut [u8], is_wanted: &dyn Fn() -> bool) -> Result<usize, StreamError> {
        let Some(mut shell) = self.shell.take() else {
            return Ok(0);
        };
        let begun = Instant::now();
        let mut exited = None;
        loop {
            if !is_wanted() {
                shell.stop(&mut |_| {});
                return Err(StreamError::Cancelled);
            }
            if let Some(patience) = self.patience
                && begun.elapsed() >= patience
            {
                shell.stop(&mut |bytes| self.said.add(bytes, &mut |_| {}));
                return Err(self.failed(CommandEnd::TimedOut(patience)));
            }
            match shell.step(buffer)? {
                Step::Bytes(OUT, len_bytes) => {
                    self.shell = Some(shell);
                    return Ok(len_bytes);
                }
                Step::Bytes(_, len_bytes) => self.said.add(&buffer[..len_bytes], &mut |_| {}),
                Step::Idle => {}
                Step::Exited if !shell.is_open(OUT) => return self.end(shell),
                // Whoever holds it open may still print something that belongs to the stream.
                Step::Exited if exited.get_or_insert_with(Instant::now).elapsed() >= LINGER => {
                    return Err(StreamError::HeldOpen);
                }
                Step::Exited => {}
            }
        }
    }
}

impl CommandStream {
    /// What the command's end means for what it has printed.
    fn end(&mut self, shell: Shell) -> Result<usize, StreamError> {
        match CommandEnd::of(shell.finish()?) {
            None => Ok(0),
            Some(end) => Err(self.failed(end)),
        }
    }

    fn failed(&mut self, end: CommandEnd) -> StreamError {
        let said = std::mem::take(&mut self.said);
        StreamError::Failed {
            end,
            output: said.finish(&mut |_| {}),
        }
    }
}

impl From<io::Error> for StreamError {
    fn from(source: io::Error) -> Self {
        Self::Io { source }
    }
}

fn no_file(name: &[u8]) -> file_tree::Error {
    file_tree::Error::NotFound {
        operation: Operation::Open,
        name: name.into(),
    }
}

/// What there is to see of something that is on no file system: it is this process' own.
fn made_up(kind: FileType, mode: u16, time: Timestamp) -> Stat {
    Stat {
        kind,
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        nlink: 1,
        attributes: Attributes::default(),
        size: 0,
        ino: 0,
        dev: DeviceNumber::default(),
        rdev: DeviceNumber::default(),
        mount: 0,
        mtime: time,
        ctime: time,
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp {
        secs: i64::try_from(since.as_secs()).unwrap_or_default(),
        nanos: since.subsec_nanos(),
    }
}

#[cfg(test)]
mod tests;
