//! The files on a volume of an image, read without mounting it.

use catalog::Backup;
use disk_image::volume::identify;
use storage::VolumeReader;
use tonic::Status;
use volume_files::{Content, Entry, Kind, Special};
use wire::v1::content_part::Part;
use wire::v1::{
    BrowseReply, BrowseVolumeRequest, ContentHead, ContentPart, EntryView, ReadVolumeFileRequest,
};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::image::open_volume_in;
use crate::services::backups::content::PART_BYTES;
use crate::services::backups::streams::ENTRIES;
use crate::services::reply::{Sender, send};

/// Lists a directory of a volume, or the one thing that is no directory.
pub fn list(
    core: &Core,
    image: &Backup,
    request: &BrowseVolumeRequest,
    sender: &Sender<BrowseReply>,
) -> Result<()> {
    let volume = open(core, image, &request.volume)?;
    let files = volume_files::open(&volume, identify(&volume).map_err(Error::Disk)?.file_system)?;
    let path = trimmed(&request.path);
    let directory = files.find(path)?;
    if directory.kind != Kind::Directory {
        let entries = vec![entry_on_volume(path.to_vec(), &directory)];
        return send(sender, BrowseReply { entries });
    }
    let listed = files.list(&directory)?;
    for entries in listed.chunks(ENTRIES) {
        let views = entries
            .iter()
            .map(|entry| entry_on_volume(manifest::join_path(path, &entry.name).into(), entry));
        send(
            sender,
            BrowseReply {
                entries: views.collect(),
            },
        )?;
    }
    if listed.is_empty() {
        send(sender, BrowseReply::default())?;
    }
    Ok(())
}

/// Sends the content of a file on a volume.
pub fn read(
    core: &Core,
    image: &Backup,
    request: &ReadVolumeFileRequest,
    sender: &Sender<ContentPart>,
) -> Result<()> {
    let volume = open(core, image, &request.volume)?;
    let files = volume_files::open(&volume, identify(&volume).map_err(Error::Disk)?.file_system)?;
    let file = files.find(trimmed(&request.path))?;
    if file.kind != Kind::File {
        return Err(volume_files::Error::NotFile { path: file.name }.into());
    }
    if request.offset_bytes > file.len_bytes {
        let refusal = Status::out_of_range(format!("the file has {} bytes", file.len_bytes));
        let _ = sender.blocking_send(Err(refusal));
        return Ok(());
    }
    let len_bytes = match request.len_bytes {
        0 => u64::MAX,
        len_bytes => len_bytes,
    };
    let mut window = Window {
        skip_bytes: request.offset_bytes,
        left_bytes: len_bytes.min(file.len_bytes - request.offset_bytes),
        sender,
    };
    window.send(Part::Head(ContentHead {
        size_bytes: file.len_bytes,
        mtime_s: file.modified.secs,
        ..ContentHead::default()
    }))?;
    let read = files.read(&file, &mut |content| {
        let sent = match content {
            Content::Data(bytes) => window.data(bytes),
            Content::Hole(len_bytes) => window.zeros(len_bytes),
        };
        // Whoever has gone and whoever has enough need no more.
        match (sent, window.left_bytes) {
            (Ok(()), 1..) => Ok(()),
            _ => Err(volume_files::Error::Cancelled),
        }
    });
    match read {
        Err(volume_files::Error::Cancelled) => Ok(()),
        read => Ok(read?),
    }
}

/// The part of a file that is asked for, as it comes by.
struct Window<'a> {
    skip_bytes: u64,
    left_bytes: u64,
    sender: &'a Sender<ContentPart>,
}

impl Window<'_> {
    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        let (skipped, len_bytes) = self.take(bytes.len() as u64);
        let wanted = &bytes[skipped as usize..][..len_bytes as usize];
        for piece in wanted.chunks(PART_BYTES as usize) {
            self.send(Part::Data(piece.to_vec()))?;
        }
        Ok(())
    }

    fn zeros(&mut self, len_bytes: u64) -> Result<()> {
        let (_, mut len_bytes) = self.take(len_bytes);
        while len_bytes > 0 {
            let piece = len_bytes.min(PART_BYTES);
            self.send(Part::Data(vec![0; piece as usize]))?;
            len_bytes -= piece;
        }
        Ok(())
    }

    /// How much of what comes lies before what is asked for, and how much is asked for.
    fn take(&mut self, len_bytes: u64) -> (u64, u64) {
        let skipped = self.skip_bytes.min(len_bytes);
        let wanted = (len_bytes - skipped).min(self.left_bytes);
        self.skip_bytes -= skipped;
        self.left_bytes -= wanted;
        (skipped, wanted)
    }

    fn send(&self, part: Part) -> Result<()> {
        send(self.sender, ContentPart { part: Some(part) })
    }
}

fn open(core: &Core, image: &Backup, path: &str) -> Result<VolumeReader> {
    open_volume_in(&core.open_backup(image)?, path)
}

fn trimmed(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

/// Something on a volume, as listings of backups have it.
pub fn entry_on_volume(path: Vec<u8>, entry: &Entry) -> EntryView {
    let (kind, target) = match &entry.kind {
        Kind::File => ("file", None),
        Kind::Directory => ("directory", None),
        Kind::Link { target } => ("symlink", Some(target)),
        Kind::Special(Special::Fifo) => ("fifo", None),
        Kind::Special(Special::Socket) => ("socket", None),
        Kind::Special(Special::CharDevice) => ("character device", None),
        Kind::Special(Special::BlockDevice) => ("block device", None),
        Kind::Unreadable { .. } => ("unreadable", None),
    };
    let (uid, gid) = entry.owner.map_or((0, 0), |owner| (owner.uid, owner.gid));
    EntryView {
        path,
        kind: kind.to_owned(),
        mode: entry.mode,
        uid,
        gid,
        size: entry.len_bytes,
        mtime_s: entry.modified.secs,
        mtime_ns: entry.modified.nanos,
        target: target.map(|target| target.to_vec()).unwrap_or_default(),
        ..EntryView::default()
    }
}
