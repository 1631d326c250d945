//! The beginning of an image session: which base, which name, which job, which volumes.

use std::sync::Arc;

use catalog::BackupFilter;
use disk_image::description::{self, DiskDescription};
use manifest::{Header, Source, Timestamp};
use storage::{BackupName, ClientName, ImageIngest, VolumeFormat, VolumeSink};
use tracing::info;
use wire::v1::{BackupMode, DiskInfo, ImageBegin, ImageSession};

use crate::core::{Core, with_patience};
use crate::error::{Error, Result};
use crate::image::choice::ImageChoice;
use crate::image::session::{DATA_CONNECTIONS, Disk, Session};
use crate::jobs::LiveJob;
use crate::storages::OpenStorage;

/// Most disks, and volumes of all of them, that an image may have.
const MAX_DISKS: usize = 1000;
const MAX_VOLUMES: usize = 10_000;
/// So many of the newest images are looked at for one to begin from.
const MAX_BASES: usize = 30;

/// An image session that is about to run.
pub struct Begun {
    /// What the connections share.
    pub session: Arc<Session>,
    /// The job that it works for.
    pub job: Arc<LiveJob>,
}

/// Begins the image of a client that a job is for, blocking. Returns what the client is to be told.
pub fn begin(core: &Arc<Core>, job: &Arc<LiveJob>, begin: &ImageBegin) -> Result<(Begun, ImageSession)> {
    core.board.begin_with(job, || {
        wire::version::negotiate(begin.protocol, begin.protocol).map_err(|error| Error::Unsupported {
            what: error.to_string(),
        })?;
        open_session(core, &job.client.parse()?, begin, job)
    })
}

fn open_session(
    core: &Arc<Core>,
    client: &ClientName,
    begin: &ImageBegin,
    job: &Arc<LiveJob>,
) -> Result<(Begun, ImageSession)> {
    check_counts(begin)?;
    let format = ImageChoice::of(&core.policies.of(client.as_str())).format;
    let _placed = core.placing.read();
    let storage = core.storage_for(client.as_str())?;
    check_sizes(&storage, begin, format)?;
    let disks: Vec<DiskDescription> = begin.disks.iter().map(described).collect::<Result<_>>()?;
    let ingest = begin_tree(core, &storage, client, begin, format)?;
    let base = ingest.base_name().cloned();
    let started = core.clock.now();
    let name = core.free_name(client, storage::BackupKind::Image, started)?;
    let header = Header {
        client: client.as_str().to_owned(),
        name: name.as_str().to_owned(),
        kind: match begin.mode() {
            BackupMode::Full => manifest::BackupKind::Full,
            _ if base.is_none() => manifest::BackupKind::Full,
            _ => manifest::BackupKind::Incremental,
        },
        started: Timestamp {
            secs: started.as_second(),
            nanos: started.subsec_nanosecond().unsigned_abs(),
        },
        base: base.as_ref().map(|name| name.as_str().to_owned()),
        sources: begin.disks.iter().map(source_of).collect(),
        server_id: core.catalog.server_id().to_string(),
    };
    let reply = ImageSession {
        session: Vec::new(),
        base_name: header.base.clone().unwrap_or_default(),
        resumed: ingest.is_resumed(),
        data_connections: DATA_CONNECTIONS,
        job_id: job.id.0 as u64,
        name: header.name.clone(),
    };
    info!(
        client = client.as_str(),
        name = reply.name,
        base = reply.base_name,
        resumed = reply.resumed,
        "image backup begins"
    );
    let opened = open_volumes(&ingest, begin, &disks)?;
    let disks = begin.disks.iter().map(|info| Disk {
        name: info.name.clone(),
        description: info.description.clone(),
    });
    let session = Session::create((storage, header), job.clone(), ingest, opened, disks.collect())?;
    let reply = ImageSession {
        session: session.token().to_vec(),
        ..reply
    };
    Ok((
        Begun {
            session: Arc::new(session),
            job: job.clone(),
        },
        reply,
    ))
}

/// Puts down what is said of the disks, and opens all volumes for writing.
fn open_volumes(
    ingest: &ImageIngest,
    begin: &ImageBegin,
    disks: &[DiskDescription],
) -> Result<Vec<(u64, VolumeSink)>> {
    let mut opened = Vec::new();
    for (info, description) in begin.disks.iter().zip(disks) {
        open_disk(ingest, info, description, &mut opened)?;
    }
    Ok(opened)
}

/// Begins the tree: from what an interrupted image left, else from the image that has most of the volumes, else empty.
fn begin_tree(
    core: &Core,
    storage: &OpenStorage,
    client: &ClientName,
    begin: &ImageBegin,
    format: Option<VolumeFormat>,
) -> Result<ImageIngest> {
    let base = best_base(core, storage, client, begin)?;
    with_patience(|| storage.store.begin_image_in(format, client, base.as_ref()))
}

/// The newest of those images that have most of the volumes: one of a single volume in between is no base for an image of all.
fn best_base(
    core: &Core,
    storage: &OpenStorage,
    client: &ClientName,
    begin: &ImageBegin,
) -> Result<Option<BackupName>> {
    let images = core.catalog.backups(&BackupFilter {
        kind: Some(catalog::BackupKind::Image),
        storage: Some(storage.id),
        ..BackupFilter::committed_of(client.as_str())
    })?;
    let wanted: Vec<Vec<u8>> = begin.disks.iter().flat_map(volume_paths).collect();
    let mut best: Option<(usize, &catalog::Backup)> = None;
    for image in images.iter().rev().take(MAX_BASES) {
        // One whose manifest can't be read can't be built on.
        let Ok(found) = volumes_in(core, image, &wanted) else {
            continue;
        };
        if best.is_none_or(|(most, _)| found > most) {
            best = Some((found, image));
        }
        if found == wanted.len() {
            break;
        }
    }
    let base = best.map(|(_, image)| image.name.parse::<BackupName>());
    Ok(base.transpose()?)
}

/// How many of the volumes an image has.
fn volumes_in(core: &Core, image: &catalog::Backup, wanted: &[Vec<u8>]) -> Result<usize> {
    let tree = core.open_backup(image)?;
    let mut found = 0;
    for path in wanted {
        found += usize::from(tree.manifest().lookup(path)?.is_some());
    }
    Ok(found)
}

fn volume_paths(disk: &DiskInfo) -> impl Iterator<Item = Vec<u8>> {
    let volumes = disk.volumes.iter();
    volumes.map(|volume| volume_path(disk, &volume.name).into_bytes())
}

fn volume_path(disk: &DiskInfo, volume: &str) -> String {
    format!("{}/{volume}.raw", disk.name)
}

/// Opens the volumes of a disk, which must be those that its description names.
fn open_disk(
    ingest: &ImageIngest,
    info: &DiskInfo,
    description: &DiskDescription,
    opened: &mut Vec<(u64, VolumeSink)>,
) -> Result<()> {
    let path = format!("{}/{}", info.name, description::FILE_NAME);
    ingest.put_file(path.as_bytes(), &info.description)?;
    for volume in &info.volumes {
        let path = volume_path(info, &volume.name);
        let sink = ingest.open_volume(path.as_bytes(), volume.size_bytes)?;
        opened.push((volume.volume_id, sink));
    }
    let has_all = description
        .volumes()
        .all(|(_, named)| has_volume(info, &named.file));
    if !has_all || (description.has_table() && !has_volume(info, description::TABLE_FILE_NAME)) {
        return Err(Error::protocol(
            "a disk's description names a volume that is not sent",
        ));
    }
    Ok(())
}

fn check_counts(begin: &ImageBegin) -> Result<()> {
    let volumes: usize = begin.disks.iter().map(|disk| disk.volumes.len()).sum();
    if begin.disks.is_empty() || volumes == 0 {
        return Err(Error::protocol("an image without volumes"));
    }
    if begin.disks.len() > MAX_DISKS || volumes > MAX_VOLUMES {
        return Err(Error::protocol("too many disks or volumes"));
    }
    Ok(())
}

/// Fails where a volume is too large for the format that it would be kept in.
fn check_sizes(storage: &OpenStorage, begin: &ImageBegin, format: Option<VolumeFormat>) -> Result<()> {
    for disk in &begin.disks {
        for volume in &disk.volumes {
            let path = format!("{}/{}", disk.name, volume.name);
            storage
                .store
                .check_volume(format, path.as_bytes(), volume.size_bytes)?;
        }
    }
    Ok(())
}

/// The description of a disk, checked.
fn described(disk: &DiskInfo) -> Result<DiskDescription> {
    let description = DiskDescription::parse(&disk.description).map_err(Error::Disk)?;
    if description.name != disk.name {
        return Err(Error::protocol("a disk's description has another name"));
    }
    Ok(description)
}

fn has_volume(disk: &DiskInfo, file: &str) -> bool {
    disk.volumes
        .iter()
        .any(|volume| file.strip_suffix(".raw") == Some(&volume.name))
}

fn source_of(disk: &DiskInfo) -> Source {
    Source {
        name: disk.name.as_bytes().into(),
        path: disk.path.clone().into(),
        consistency: disk.consistency.clone(),
    }
}
