//! Published disks, as callers are told of them, and their content.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use policy::access::{Right, Subject};
use tonic::Status;
use wire::v1::content_part::Part;
use wire::v1::{ContentHead, ContentPart, PublishedDisk, ReadPublishedRequest};

use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::publishing;
use crate::services::backups::content::PART_BYTES;
use crate::services::reply::{Sender, send};
use crate::storages::OpenStorage;

/// The published disks that a caller may have, of one client or of all.
pub fn list(core: &Core, caller: &Caller, client: &str) -> Result<Vec<PublishedDisk>> {
    let sees_places = caller.can_to(core, Right::Storage, Subject::Server);
    let disks = publishing::all(core)?.into_iter().filter(|(_, disk)| {
        let owner = disk.client.as_str();
        (client.is_empty() || owner == client) && caller.can(core, Right::Restore, owner)
    });
    Ok(disks.map(|placed| message(core, &placed, sees_places)).collect())
}

fn message(
    core: &Core,
    (storage, disk): &(Arc<OpenStorage>, storage::PublishedDisk),
    sees_places: bool,
) -> PublishedDisk {
    let location = || {
        storage
            .store
            .published()
            .map(|published| published.location(disk))
    };
    PublishedDisk {
        id: disk.id.to_string(),
        client: disk.client.to_string(),
        backup: disk.backup.to_string(),
        disk: disk.disk.clone(),
        volume: disk.volume.clone().unwrap_or_default(),
        format: disk.format.clone(),
        file: disk.file.clone(),
        len_bytes: disk.len_bytes,
        shared_bytes: disk.shared_bytes,
        copied_bytes: disk.copied_bytes,
        made_ms: disk.made_ms,
        until_ms: publishing::until_ms(core, disk),
        storage: storage.name(),
        location: match sees_places {
            true => location().map_or_else(|_| String::new(), |path| path.display().to_string()),
            false => String::new(),
        },
    }
}

/// Sends the content of a published disk. One that is removed meanwhile is sent to its end.
pub fn read(
    (storage, disk): &(Arc<OpenStorage>, storage::PublishedDisk),
    request: &ReadPublishedRequest,
    sender: &Sender<ContentPart>,
) -> Result<()> {
    let file = storage.store.published()?.open_file(disk)?;
    let file = file.ok_or_else(|| Error::NotFound {
        what: "published disk",
        name: disk.id.to_string(),
    })?;
    let failed = |source| Error::io("read", disk.file.as_ref(), source);
    let size_bytes = file.metadata().map_err(failed)?.len();
    if request.offset_bytes > size_bytes {
        let refusal = Status::out_of_range(format!("{} has {size_bytes} bytes", disk.file));
        let _ = sender.blocking_send(Err(refusal));
        return Ok(());
    }
    let end = match request.len_bytes {
        0 => size_bytes,
        len_bytes => request.offset_bytes.saturating_add(len_bytes).min(size_bytes),
    };
    let head = ContentHead {
        size_bytes,
        mtime_s: disk.made_ms.div_euclid(1000),
        name: disk.file.clone(),
        ..ContentHead::default()
    };
    let part = |part| ContentPart { part: Some(part) };
    send(sender, part(Part::Head(head)))?;
    let mut offset = request.offset_bytes;
    while offset < end {
        let mut data = vec![0; usize::try_from((end - offset).min(PART_BYTES)).expect("a part fits")];
        file.read_exact_at(&mut data, offset).map_err(failed)?;
        offset += data.len() as u64;
        send(sender, part(Part::Data(data)))?;
    }
    Ok(())
}
