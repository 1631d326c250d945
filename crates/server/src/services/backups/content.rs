//! The content of single files, for who has no data connection: browsers, and programs of users.

use catalog::Backup;
use disk_image::DiskSource as _;
use manifest::content::BlockHasher;
use manifest::{ContentHash, Entry, Kind};
use storage::BackupTree;
use tonic::Status;
use wire::v1::content_part::Part;
use wire::v1::{ContentHead, ContentPart, ReadContentRequest};

use super::streams::no_such_path;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::services::reply::{Sender, finish};

/// Content of one part.
pub const PART_BYTES: u64 = 256 * 1024;

/// Sends the content that is asked for.
pub fn read(core: &Core, backup: &Backup, request: &ReadContentRequest, sender: &Sender<ContentPart>) {
    finish(send_content(core, backup, request, sender), sender);
}

fn send_content(
    core: &Core,
    backup: &Backup,
    request: &ReadContentRequest,
    sender: &Sender<ContentPart>,
) -> Result<()> {
    let tree = core.open_backup(backup)?;
    let (path, entry) = find(&tree, &request.path)?;
    let (Kind::File { size, hash, .. } | Kind::Volume { size, hash }) = entry.kind else {
        return Err(Error::Invalid {
            why: format!("{} has no content: it is no file", shown(&request.path)),
        });
    };
    let file = tree.open_volume(&path)?;
    if request.offset_bytes > size {
        let refusal = Status::out_of_range(format!("{} has {size} bytes", shown(&request.path)));
        return send_raw(sender, Err(refusal));
    }
    let end = match request.len_bytes {
        0 => size,
        len_bytes => request.offset_bytes.saturating_add(len_bytes).min(size),
    };
    send(
        sender,
        Part::Head(ContentHead {
            size_bytes: size,
            mtime_s: entry.metadata.mtime.secs,
            hash: hash.0.to_vec(),
            is_size_unknown: false,
            name: String::new(),
        }),
    )?;
    let is_whole = matches!(entry.kind, Kind::File { .. }) && request.offset_bytes == 0 && end == size;
    let mut hasher = is_whole.then(BlockHasher::new);
    let mut offset = request.offset_bytes;
    while offset < end {
        let len = (end - offset).min(PART_BYTES);
        let mut data = vec![0; usize::try_from(len).expect("a part fits")];
        file.read_exact_at(&mut data, offset)
            .map_err(|source| Error::Io {
                action: "read",
                path: "the backup's file".into(),
                source,
            })?;
        if let Some(hasher) = &mut hasher {
            hasher.update(&data);
        }
        send(sender, Part::Data(data))?;
        offset += len;
    }
    match hasher.map(|hasher| hasher.finish().hash) {
        Some(found) if found != hash => lost(sender, &request.path, hash),
        _ => Ok(()),
    }
}

/// The entry that has the content of a path: its own, or that of the first name of the file.
fn find(tree: &BackupTree, path: &[u8]) -> Result<(Box<[u8]>, Entry)> {
    let manifest = tree.manifest();
    let not_found = || no_such_path(path);
    let entry = manifest.lookup(path)?.ok_or_else(not_found)?;
    match entry.kind {
        Kind::HardLink { target } => {
            let first = manifest.lookup(&target)?.ok_or_else(not_found)?;
            Ok((target, first))
        }
        _ => Ok((path.into(), entry)),
    }
}

/// Whoever has taken all of it must not take it for right.
fn lost(sender: &Sender<ContentPart>, path: &[u8], hash: ContentHash) -> Result<()> {
    tracing::error!(path = shown(path), %hash, "a file that was read is not as the manifest says");
    let refusal = Status::data_loss(format!("{} is damaged", shown(path)));
    send_raw(sender, Err(refusal))
}

fn send(sender: &Sender<ContentPart>, part: Part) -> Result<()> {
    send_raw(sender, Ok(ContentPart { part: Some(part) }))
}

fn send_raw(sender: &Sender<ContentPart>, part: std::result::Result<ContentPart, Status>) -> Result<()> {
    sender.blocking_send(part).map_err(|_| Error::Disconnected)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
