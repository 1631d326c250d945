//! A selection of a backup as one archive, sent as it is made.

use std::io::{self, Read, Write};

use ::archive::{Archive, Format, Selection, planned_len};
use catalog::Backup;
use disk_image::DiskSource as _;
use manifest::content::BlockHasher;
use manifest::{ContentHash, Kind};
use storage::{BackupTree, VolumeReader};
use tonic::Status;
use wire::v1::content_part::Part;
use wire::v1::{ContentHead, ContentPart, ReadArchiveRequest};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::services::backups::content::PART_BYTES;
use crate::services::reply::{Sender, send};

/// More than anybody selects by hand.
const MOST_PATHS: usize = 10_000;

/// An archive that is asked for.
pub struct Wanted {
    format: Format,
    selection: Selection,
    offset_bytes: u64,
    is_measured: bool,
    /// The same for two requests if and only if the same bytes answer both.
    tag: ContentHash,
}

impl Wanted {
    /// What a request asks for of a backup.
    pub fn new(backup: &Backup, request: &ReadArchiveRequest) -> Result<Self, Status> {
        let format = Format::ALL
            .into_iter()
            .find(|format| format.extension() == request.format);
        let format = format.ok_or_else(|| {
            let known = Format::ALL.map(Format::extension).join(", ");
            Status::invalid_argument(format!(
                "{:?} is no format of an archive: {known}",
                request.format
            ))
        })?;
        if request.paths.len() > MOST_PATHS {
            let why = format!("an archive is of {MOST_PATHS} paths at most: select directories");
            return Err(Status::invalid_argument(why));
        }
        let whole = [Vec::new()];
        let paths = match request.paths.is_empty() {
            true => &whole[..],
            false => &request.paths,
        };
        let trimmed = paths.iter().map(|path| path.strip_suffix(b"/").unwrap_or(path));
        let selection =
            Selection::new(trimmed).map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Self {
            tag: tag(backup, format, paths),
            format,
            selection,
            offset_bytes: request.offset_bytes,
            is_measured: request.is_measured,
        })
    }

    /// Makes it.
    pub fn run(self, core: &Core, backup: &Backup, sender: &Sender<ContentPart>) -> Result<()> {
        let tree = core.open_backup(backup)?;
        let members = || self.selection.clone().members(tree.manifest(), self.format);
        let len_bytes = match planned_len(self.format, members()?)? {
            None if self.is_measured => Some(self.measure(&tree, sender)?),
            planned => planned,
        };
        if len_bytes.is_some_and(|len_bytes| self.offset_bytes > len_bytes) {
            let refusal = Status::out_of_range("the archive is not so long");
            return sender
                .blocking_send(Err(refusal))
                .map_err(|_| Error::Disconnected);
        }
        let head = ContentHead {
            size_bytes: len_bytes.unwrap_or_default(),
            is_size_unknown: len_bytes.is_none(),
            name: String::new(),
            mtime_s: backup.started_ms.div_euclid(1000),
            hash: self.tag.0.to_vec(),
        };
        send(
            sender,
            ContentPart {
                part: Some(Part::Head(head)),
            },
        )?;
        let out = Parts {
            sender,
            gathered: Vec::new(),
        };
        let archive = Archive::resume(self.format, out, self.offset_bytes)?;
        let mut out = self.fill(archive, &tree)?;
        out.flush().map_err(::archive::Error::Write)?;
        Ok(())
    }

    /// How long the archive is, found by making it for nobody.
    fn measure(&self, tree: &BackupTree, sender: &Sender<ContentPart>) -> Result<u64> {
        let counted = Counted { sender, len_bytes: 0 };
        let archive = Archive::resume(self.format, counted, 0)?;
        Ok(self.fill(archive, tree)?.len_bytes)
    }

    fn fill<W: Write>(&self, mut archive: Archive<W>, tree: &BackupTree) -> Result<W> {
        for member in self.selection.clone().members(tree.manifest(), self.format)? {
            let member = member?;
            archive.add(&member, |offset_bytes| {
                Content::open(tree, &member.path, &member.entry.kind, offset_bytes)
            })?;
        }
        Ok(archive.finish()?)
    }
}

fn tag(backup: &Backup, format: Format, paths: &[Vec<u8>]) -> ContentHash {
    let mut hasher = BlockHasher::new();
    hasher.update(&backup.digest);
    hasher.update(format.extension().as_bytes());
    hasher.update(&format.revision().to_le_bytes());
    for path in paths {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path);
    }
    hasher.finish().hash
}

/// The archive's bytes on their way out.
struct Parts<'a> {
    sender: &'a Sender<ContentPart>,
    gathered: Vec<u8>,
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (PART_BYTES as usize).saturating_sub(self.gathered.len());
        let taken = bytes.len().min(room);
        self.gathered.extend_from_slice(&bytes[..taken]);
        if self.gathered.len() >= PART_BYTES as usize {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let data = std::mem::take(&mut self.gathered);
        let part = ContentPart {
            part: Some(Part::Data(data)),
        };
        let sent = self.sender.blocking_send(Ok(part));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// An archive's bytes that are only counted, as long as somebody waits for their number.
struct Counted<'a> {
    sender: &'a Sender<ContentPart>,
    len_bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sender.is_closed() {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        self.len_bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The content of a file, which is proven by its hash when all of it is read.
struct Content {
    file: VolumeReader,
    at_bytes: u64,
    size_bytes: u64,
    proof: Option<(BlockHasher, ContentHash)>,
}

impl Content {
    fn open(tree: &BackupTree, path: &[u8], kind: &Kind, offset_bytes: u64) -> io::Result<Self> {
        let file = tree.open_volume(path).map_err(io::Error::other)?;
        let (size_bytes, hash) = match kind {
            Kind::File { size, hash, .. } => (*size, Some(*hash)),
            Kind::Volume { size, .. } => (*size, None),
            _ => (0, None),
        };
        let hash = hash.filter(|_| offset_bytes == 0);
        Ok(Self {
            file,
            at_bytes: offset_bytes,
            size_bytes,
            proof: hash.map(|hash| (BlockHasher::new(), hash)),
        })
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left_bytes = self.size_bytes.saturating_sub(self.at_bytes);
        let len = buffer
            .len()
            .min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        if len > 0 {
            self.file.read_exact_at(&mut buffer[..len], self.at_bytes)?;
            self.at_bytes += len as u64;
            if let Some((hasher, _)) = &mut self.proof {
                hasher.update(&buffer[..len]);
            }
        }
        if self.at_bytes >= self.size_bytes
            && let Some((hasher, hash)) = self.proof.take()
            && hasher.finish().hash != hash
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
        }
        Ok(len)
    }
}
