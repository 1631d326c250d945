//! The beginning of an ingest session: which base, which name, which job.

use std::fs::File;
use std::sync::Arc;

use catalog::BackupFilter;
use manifest::assemble::Assembler;
use manifest::{Header, Reader, Source, Timestamp, Writer};
use storage::{BackupName, Basis, ClientName, SMALL_FILE_BYTES, Store};
use tracing::{info, warn};
use wire::v1::{BackupMode, IngestBegin, IngestSession};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::ingest::session::{DATA_CONNECTIONS, Session, WINDOW_FILES};
use crate::jobs::LiveJob;
use crate::storages::OpenStorage;

/// Most sources that a backup may have.
const MAX_SOURCES: usize = 1000;

/// An ingest session that is about to run.
pub struct Begun {
    /// What the connections share.
    pub session: Arc<Session>,
    /// The base's manifest.
    pub base: Option<Reader>,
    /// The job that it works for.
    pub job: Arc<LiveJob>,
}

/// Begins the backup of a client that a job is for, blocking. Returns what the client is to be told.
pub fn begin(core: &Arc<Core>, job: &Arc<LiveJob>, begin: &IngestBegin) -> Result<(Begun, IngestSession)> {
    core.board.begin_with(job, || {
        wire::version::negotiate(begin.protocol, begin.protocol).map_err(|error| Error::Unsupported {
            what: error.to_string(),
        })?;
        if begin.sources.len() > MAX_SOURCES {
            return Err(Error::protocol("too many sources"));
        }
        open_session(core, &job.client.parse()?, begin, job)
    })
}

fn open_session(
    core: &Arc<Core>,
    client: &ClientName,
    begin: &IngestBegin,
    job: &Arc<LiveJob>,
) -> Result<(Begun, IngestSession)> {
    let _placed = core.placing.read();
    let storage = core.storage_for(client.as_str())?;
    discard_elsewhere(core, &storage, client);
    storage.housekeeping.settle_index();
    let base_name = newest(core, &storage, client)?;
    let (ingest, resumed) = begin_tree(&storage.store, client, base_name.as_ref())?;
    let base = ingest.base_manifest().map(open_base).transpose()?;
    let started = core.clock.now();
    let name = core.free_name(client, storage::BackupKind::File, started)?;
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
        base: base_name.as_ref().map(|name| name.as_str().to_owned()),
        sources: begin.sources.iter().map(source_of).collect(),
        server_id: core.catalog.server_id().to_string(),
    };
    let writer = Writer::create(ingest.manifest_file()?, &header)?;
    let doubted = match &base_name {
        Some(name) => storage.store.damaged(client, name)?,
        None => Vec::new(),
    };
    let session = Session::create(storage, header, job.clone(), ingest, Assembler::new(writer))
        .doubting(doubted.iter().cloned());
    let reply = IngestSession {
        doubted: doubted.into_iter().map(Vec::from).collect(),
        session: session.token().to_vec(),
        base_digest: base
            .as_ref()
            .map(|base| base.digest().0.to_vec())
            .unwrap_or_default(),
        base_name: base_name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        resumed,
        data_connections: DATA_CONNECTIONS,
        window_files: WINDOW_FILES,
        small_file_bytes: SMALL_FILE_BYTES as u32,
        job_id: job.id.0 as u64,
        name: name.as_str().to_owned(),
    };
    info!(
        client = client.as_str(),
        name = reply.name,
        base = reply.base_name,
        resumed,
        "file backup begins"
    );
    Ok((
        Begun {
            session: Arc::new(session),
            base,
            job: job.clone(),
        },
        reply,
    ))
}

/// The client's newest backup in the storage.
fn newest(core: &Core, storage: &OpenStorage, client: &ClientName) -> Result<Option<BackupName>> {
    let newest = core.catalog.newest_backup(&BackupFilter {
        kind: Some(catalog::BackupKind::File),
        storage: Some(storage.id),
        ..BackupFilter::committed_of(client.as_str())
    })?;
    Ok(newest.map(|backup| backup.name.parse()).transpose()?)
}

/// Begins the tree: from what an interrupted backup left, else from the newest backup, else empty.
fn begin_tree(
    store: &Store,
    client: &ClientName,
    base: Option<&BackupName>,
) -> Result<(storage::Ingest, bool)> {
    if store.incomplete(client)?.is_some() {
        match store.begin(client, &Basis::Resume) {
            Ok(ingest) => return Ok((ingest, true)),
            Err(error @ (storage::Error::Corrupt { .. } | storage::Error::Manifest { .. })) => {
                warn!(client = client.as_str(), %error, "what an interrupted backup left can't be used");
                store.discard_incomplete(client, storage::BackupKind::File)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let basis = base.map_or(Basis::Fresh, |name| Basis::Backup(name.clone()));
    Ok((store.begin(client, &basis)?, false))
}

/// What an interrupted backup has left in a storage that the client's backups don't go to any more is of no use.
fn discard_elsewhere(core: &Core, storage: &OpenStorage, client: &ClientName) {
    for other in core.storages.all().iter().filter(|other| other.id != storage.id) {
        let discarded = match other.store.incomplete(client) {
            Ok(Some(_)) => other.store.discard_incomplete(client, storage::BackupKind::File),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = discarded {
            warn!(client = client.as_str(), %error, "what an interrupted backup left in another storage can't be removed");
        }
    }
}

fn open_base(file: &File) -> Result<Reader> {
    let file = file.try_clone().map_err(|source| Error::Io {
        action: "open",
        path: "the base's manifest".into(),
        source,
    })?;
    Ok(Reader::open(file)?)
}

fn source_of(source: &wire::v1::SourceInfo) -> Source {
    Source {
        name: source.name.clone().into(),
        path: source.path.clone().into(),
        consistency: source.consistency.clone(),
    }
}
