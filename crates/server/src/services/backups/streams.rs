//! The long streams of the service: ingest, restore, manifests, listings.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use catalog::{Backup, BackupMode, JobKind};
use manifest::diff::{self, ChangeKind, Difference};
use policy::access::Right;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use tracing::{info, warn};
use wire::v1::{
    BrowseReply, BrowseRequest, Change, DiffReply, IngestReply, IngestRequest, ManifestChunk,
    ManifestRequest, RestoreDone, RestoreReply, RestoreRequest, RestoreSession, ingest_reply, ingest_request,
    manifest_request::Which, restore_reply, restore_request,
};

use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::LiveJob;
use crate::services::access::resolve;
use crate::services::reply::{Sender, blocking, finish};
use crate::services::views;
use crate::sessions::DataSession as _;
use crate::{ingest, restore, schedule};

/// Requests of an ingest that wait for the thread that applies them.
const QUEUED_REQUESTS: usize = 8;
const CHUNK_BYTES: usize = 512 * 1024;
/// Entries of one message of a listing.
pub const ENTRIES: usize = 1000;

/// Takes in a file backup.
pub async fn ingest(
    core: Arc<Core>,
    client: String,
    mut requests: Streaming<IngestRequest>,
    replies: Sender<IngestReply>,
) {
    let first = requests
        .message()
        .await
        .ok()
        .flatten()
        .and_then(|first| first.request);
    let Some(ingest_request::Request::Begin(begin)) = first else {
        let _ = replies
            .send(Err(Status::invalid_argument(
                "the first request must be the beginning",
            )))
            .await;
        return;
    };
    let caller = Caller::Client(client.clone());
    let started = async {
        let (mode, rights) = (
            views::mode(begin.mode()),
            [Right::StartIncrementalFile, Right::StartFullFile],
        );
        let job = enter(
            &core,
            &caller,
            (JobKind::FileBackup, mode),
            rights,
            begin.job_id,
            &replies,
        )
        .await?;
        let core = core.clone();
        blocking(move || ingest::begin(&core, &job, &begin)).await
    };
    let (begun, session) = match started.await {
        Ok(started) => started,
        Err(status) => {
            warn!(client, why = status.message(), "a file backup was refused");
            let _ = replies.send(Err(status)).await;
            return;
        }
    };
    let (live, job) = (begun.session.clone(), begun.job.clone());
    let (forward, queue) = mpsc::channel(QUEUED_REQUESTS);
    let runner = {
        let (core, replies) = (core.clone(), replies.clone());
        let greeting = ingest_reply::Reply::Session(session);
        tokio::task::spawn_blocking(move || ingest::run(&core, begun, queue, greeting, &replies))
    };
    forward_requests(&mut requests, forward, live.ended(), &job, || live.shut_down()).await;
    end(runner, &client, &replies).await;
}

/// The job that a client's backup is made for, once there is a free slot for it. `rights` are those to begin an incremental and
/// a full one by oneself.
pub async fn enter<T>(
    core: &Arc<Core>,
    caller: &Caller,
    (kind, mode): (JobKind, BackupMode),
    rights: [Right; 2],
    job_id: u64,
    replies: &Sender<T>,
) -> Result<Arc<LiveJob>, Status> {
    let client = caller.clone().client()?;
    let [incremental, full] = rights;
    let right = match mode {
        BackupMode::Incremental => incremental,
        BackupMode::Full => full,
    };
    if job_id == 0 {
        caller.may_for(core, right, &client)?;
    }
    let job = schedule::let_in(core, kind, &client, mode, job_id, replies.closed()).await?;
    if job.mode != Some(mode) {
        // It is another backup than the one whose turn it is.
        caller.may_for(core, right, &client)?;
    }
    Ok(job)
}

/// Passes requests on until the client has no more, nobody takes them, or the session or its job is over.
pub async fn forward_requests<T>(
    requests: &mut Streaming<T>,
    forward: mpsc::Sender<T>,
    ended: impl Future<Output = ()>,
    job: &LiveJob,
    shut_down: impl FnOnce(),
) {
    tokio::pin!(ended);
    loop {
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => if forward.send(request).await.is_err() { break },
                Ok(None) | Err(_) => break,
            },
            () = forward.closed() => break,
            () = &mut ended => break,
            () = job.cancel.cancelled() => { shut_down(); break }
        }
    }
    job.ending.cancel();
}

/// Waits for the thread that makes a backup, and tells the client how that ended.
pub async fn end<T>(runner: tokio::task::JoinHandle<Result<()>>, client: &str, replies: &Sender<T>) {
    match runner.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(
                client,
                error = error.chain(),
                "a backup ended early; the next one takes it up"
            );
            let _ = replies.send(Err(error.into())).await;
        }
        Err(_) => {
            let _ = replies
                .send(Err(Status::internal("the backup's thread ended")))
                .await;
        }
    }
}

/// The manifest that a request means, as it lies in the storage.
pub fn manifest_file(core: &Core, caller: &Caller, request: ManifestRequest) -> Result<File, Status> {
    match request.which {
        Some(Which::Backup(reference)) => {
            let right = match caller {
                // It needs the manifest of the base for each backup.
                Caller::Client(_) => Right::See,
                Caller::Admin | Caller::User(_) => Right::Restore,
            };
            let backup = resolve(core, caller, right, &reference)?;
            let tree = core.open_backup(&backup)?;
            Ok(tree.manifest().source().try_clone().map_err(manifest_error)?)
        }
        Some(Which::Session(token)) => {
            let session = core.sessions.get(&token);
            let session = session.filter(|session| *caller == Caller::Client(session.client().to_owned()));
            session
                .and_then(|session| session.base_manifest())
                .ok_or_else(|| Status::not_found("there is no such session, or it has no base"))
        }
        None => Err(Status::invalid_argument("the request names no manifest")),
    }
}

fn manifest_error(source: std::io::Error) -> Error {
    Error::Io {
        action: "read",
        path: "a manifest".into(),
        source,
    }
}

/// Sends a manifest byte for byte.
pub fn send_manifest(file: &File, sender: &Sender<ManifestChunk>) {
    let send = || -> Result<()> {
        let mut offset = 0;
        loop {
            let mut data = vec![0; CHUNK_BYTES];
            let len = file.read_at(&mut data, offset).map_err(manifest_error)?;
            if len == 0 {
                return Ok(());
            }
            data.truncate(len);
            offset += len as u64;
            sender
                .blocking_send(Ok(ManifestChunk { data }))
                .map_err(|_| Error::Disconnected)?;
        }
    };
    finish(send(), sender);
}

/// Gives a backup's files back.
pub async fn restore(
    core: Arc<Core>,
    caller: Caller,
    mut requests: Streaming<RestoreRequest>,
    replies: Sender<RestoreReply>,
) {
    let served = serve_restore(&core, &caller, &mut requests, &replies).await;
    if let Err(status) = served {
        // A caller that is gone needs no answer.
        let _ = replies.send(Err(status)).await;
    }
}

async fn serve_restore(
    core: &Arc<Core>,
    caller: &Caller,
    requests: &mut Streaming<RestoreRequest>,
    replies: &Sender<RestoreReply>,
) -> Result<(), Status> {
    let first = requests.message().await?.and_then(|first| first.request);
    let Some(restore_request::Request::Begin(begin)) = first else {
        return Err(Status::invalid_argument(
            "the first request must be the beginning",
        ));
    };
    wire::version::negotiate(begin.protocol, begin.protocol)
        .map_err(|error| Status::failed_precondition(error.to_string()))?;
    let client = caller.clone().client()?;
    let backup = resolve(core, caller, Right::Restore, &begin.backup.unwrap_or_default())?;
    let (opener, of) = (core.clone(), backup.clone());
    let tree = blocking(move || opener.open_backup(&of)).await?;
    let session = Arc::new(restore::Session::create(client, tree, replies.clone()));
    info!(client = backup.client, name = backup.name, "restore begins");
    core.sessions.enter(session.clone());
    let answer = restore_reply::Reply::Session(RestoreSession {
        session: session.token().to_vec(),
        data_connections: restore::DATA_CONNECTIONS,
        digest: backup.digest.to_vec(),
    });
    let _ = replies.send(Ok(RestoreReply { reply: Some(answer) })).await;
    let finished = take_wanted(&session, requests).await;
    session.finish();
    core.sessions.leave(session.token());
    if finished.is_ok() {
        tokio::select! {
            () = session.wait_ended() => {}
            () = replies.closed() => {}
            () = core.shutdown.cancelled() => {}
        }
        let done = RestoreReply {
            reply: Some(restore_reply::Reply::Done(RestoreDone {})),
        };
        let _ = replies.send(Ok(done)).await;
    }
    session.shut_down();
    info!(
        client = backup.client,
        name = backup.name,
        complete = finished.is_ok(),
        "restore ended"
    );
    finished
}

async fn take_wanted(
    session: &Arc<restore::Session>,
    requests: &mut Streaming<RestoreRequest>,
) -> Result<(), Status> {
    loop {
        match requests.message().await?.and_then(|request| request.request) {
            Some(restore_request::Request::Wanted(wanted)) => {
                let session = session.clone();
                blocking(move || session.want(wanted.files)).await?;
            }
            Some(restore_request::Request::Finish(_)) => return Ok(()),
            Some(restore_request::Request::Begin(_)) => {
                return Err(Status::invalid_argument("a second beginning"));
            }
            None => return Err(Status::cancelled("the client left")),
        }
    }
}

/// Lists a directory of a backup, or all beneath it.
pub fn browse(core: &Core, backup: &Backup, request: &BrowseRequest, sender: &Sender<BrowseReply>) {
    finish(send_listing(core, backup, request, sender), sender);
}

fn send_listing(
    core: &Core,
    backup: &Backup,
    request: &BrowseRequest,
    sender: &Sender<BrowseReply>,
) -> Result<()> {
    let path = request.path.strip_suffix(b"/").unwrap_or(&request.path);
    let tree = core.open_backup(backup)?;
    let manifest = tree.manifest();
    let send = |entries| {
        sender
            .blocking_send(Ok(BrowseReply { entries }))
            .map_err(|_| Error::Disconnected)
    };
    let not_found = || no_such_path(path);
    if !path.is_empty() {
        let entry = manifest.lookup(path)?.ok_or_else(not_found)?;
        if !entry.is_directory() {
            let directory = manifest::split_path(path).map_or(&b""[..], |(directory, _)| directory);
            return send(vec![views::entry(directory, &entry)]);
        }
    }
    let mut found = false;
    for record in manifest.records_from(path)? {
        let record = record?;
        if *record.path != *path && !manifest::is_beneath(&record.path, path) {
            break;
        }
        found = true;
        for entries in record.entries.chunks(ENTRIES) {
            send(
                entries
                    .iter()
                    .map(|entry| views::entry(&record.path, entry))
                    .collect(),
            )?;
        }
        if !request.recursive {
            break;
        }
    }
    if found { Ok(()) } else { Err(not_found()) }
}

/// Tells how one backup differs from another.
pub fn diff(core: &Core, from: &Backup, to: &Backup, sender: &Sender<DiffReply>) {
    let send = || -> Result<()> {
        let (from, to) = (core.open_backup(from)?, core.open_backup(to)?);
        let mut changes = Vec::new();
        for change in diff::diff(from.manifest(), to.manifest()) {
            changes.push(change_view(change?));
            if changes.len() == ENTRIES {
                let full = std::mem::take(&mut changes);
                sender
                    .blocking_send(Ok(DiffReply { changes: full }))
                    .map_err(|_| Error::Disconnected)?;
            }
        }
        sender
            .blocking_send(Ok(DiffReply { changes }))
            .map_err(|_| Error::Disconnected)
    };
    finish(send(), sender);
}

fn change_view(change: diff::Change) -> Change {
    let (kind, size_before, size_after) = match &change.kind {
        ChangeKind::Added(entry) => ("added", 0, entry.size()),
        ChangeKind::Removed(entry) => ("removed", entry.size(), 0),
        ChangeKind::Changed { before, after, what } => {
            let kind = match what {
                Difference::Content => "content",
                Difference::Metadata => "metadata",
            };
            (kind, before.size(), after.size())
        }
    };
    Change {
        kind: kind.into(),
        path: change.path.into(),
        size_before,
        size_after,
    }
}

/// What is told of a path that the backup has not.
pub fn no_such_path(path: &[u8]) -> Error {
    Error::NotFound {
        what: "such path in the backup:",
        name: String::from_utf8_lossy(path).into_owned(),
    }
}
