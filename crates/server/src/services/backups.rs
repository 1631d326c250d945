//! The service for backups: ingest and restore streams, views, and the jobs that a caller can start.

pub(super) mod content;
pub(super) mod streams;
mod turn;

use std::sync::Arc;

use catalog::{BackupFilter, BackupMode};
use policy::access::Right;
use tonic::{Request, Response, Status, Streaming};
use tracing::info;
use wire::v1::backups_server::Backups;
use wire::v1::{
    BackupDetail, BackupRef, BrowseReply, BrowseRequest, ContentPart, DeleteReply, DeleteRequest, DiffReply,
    DiffRequest, IngestReply, IngestRequest, JobEvent, ListReply, ListRequest, ManifestChunk,
    ManifestRequest, QueueReply, QueueRequest, ReadContentRequest, RestoreReply, RestoreRequest, SourceInfo,
    StartRequest, TakenSpace, VerifyRequest, WithdrawReply, WithdrawRequest,
};

use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::schedule::Wanted;
use crate::services::access::{Seen, actor_of, caller_of, resolve};
use crate::services::follow::follow;
use crate::services::reply::{Replies, blocking, replies};
use crate::services::views;
use crate::{audit, retention, schedule, verify};

/// Answers all that is about backups.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }
}

#[tonic::async_trait]
impl Backups for Service {
    type QueueStream = Replies<QueueReply>;
    type FileBackupStream = Replies<IngestReply>;
    type FetchManifestStream = Replies<ManifestChunk>;
    type RestoreStream = Replies<RestoreReply>;
    type BrowseStream = Replies<BrowseReply>;
    type DiffStream = Replies<DiffReply>;
    type ReadContentStream = Replies<ContentPart>;
    type StartStream = Replies<JobEvent>;
    type VerifyStream = Replies<JobEvent>;

    async fn queue(&self, request: Request<QueueRequest>) -> Result<Response<Self::QueueStream>, Status> {
        let caller = caller_of(&request)?;
        let client = caller.clone().client()?;
        let request = request.into_inner();
        let (mode, wanted) = (views::mode(request.mode()), wanted(&request.kind, Vec::new())?);
        caller.may_for(&self.core, right_to_start(&wanted, mode), &client)?;
        let (sender, response) = replies();
        tokio::spawn(turn::wait(
            self.core.clone(),
            client,
            (wanted.job_kind(), mode),
            sender,
        ));
        Ok(response)
    }

    async fn withdraw(&self, request: Request<WithdrawRequest>) -> Result<Response<WithdrawReply>, Status> {
        let client = caller_of(&request)?.client()?;
        turn::withdraw(&self.core, &client, &request.into_inner());
        Ok(Response::new(WithdrawReply {}))
    }

    async fn file_backup(
        &self,
        request: Request<Streaming<IngestRequest>>,
    ) -> Result<Response<Self::FileBackupStream>, Status> {
        let client = caller_of(&request)?.client()?;
        let (sender, response) = replies();
        tokio::spawn(streams::ingest(
            self.core.clone(),
            client,
            request.into_inner(),
            sender,
        ));
        Ok(response)
    }

    async fn fetch_manifest(
        &self,
        request: Request<ManifestRequest>,
    ) -> Result<Response<Self::FetchManifestStream>, Status> {
        let caller = caller_of(&request)?;
        let (core, request) = (self.core.clone(), request.into_inner());
        let opening = tokio::task::spawn_blocking(move || streams::manifest_file(&core, &caller, request));
        let file = opening
            .await
            .map_err(|_| Status::internal("the work was given up"))??;
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || streams::send_manifest(&file, &sender));
        Ok(response)
    }

    async fn restore(
        &self,
        request: Request<Streaming<RestoreRequest>>,
    ) -> Result<Response<Self::RestoreStream>, Status> {
        let caller = caller_of(&request)?;
        let (sender, response) = replies();
        tokio::spawn(streams::restore(
            self.core.clone(),
            caller,
            request.into_inner(),
            sender,
        ));
        Ok(response)
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let caller = caller_of(&request)?;
        let asked = request.into_inner().client;
        let filter = match (&caller, asked.is_empty()) {
            (Caller::Admin | Caller::User(_), true) => BackupFilter::committed(),
            _ => BackupFilter::committed_of(&caller.about(&asked)?),
        };
        if let Some(client) = &filter.client {
            caller.may_for(&self.core, Right::See, client)?;
            self.core.catalog.client(client).map_err(not_found)?;
        }
        let backups = self.core.catalog.backups(&filter).map_err(Error::from)?;
        let mut seen = Seen::of(&self.core, &caller);
        let seen = backups.iter().filter(|backup| seen.has(&backup.client));
        Ok(Response::new(ListReply {
            backups: seen.map(views::backup_info).collect(),
        }))
    }

    async fn show(&self, request: Request<BackupRef>) -> Result<Response<BackupDetail>, Status> {
        let caller = caller_of(&request)?;
        let backup = resolve(&self.core, &caller, Right::See, request.get_ref())?;
        let core = self.core.clone();
        // Problems name files.
        let may_read_logs = caller.can(&core, Right::Logs, &backup.client);
        blocking(move || {
            let tree = core.open_backup(&backup)?;
            let manifest = tree.manifest();
            let problems = match may_read_logs {
                true => manifest
                    .conclusion()
                    .problems
                    .iter()
                    .map(views::problem)
                    .collect(),
                false => Vec::new(),
            };
            let sources = manifest.header().sources.iter().map(|source| SourceInfo {
                name: source.name.to_vec(),
                path: source.path.to_vec(),
                consistency: source.consistency.clone(),
            });
            let storage = core.storages.of(&backup)?;
            let taken = storage
                .store
                .sizes(&backup.client.parse()?, &backup.name.parse()?);
            Ok(BackupDetail {
                taken: taken.map(|sizes| TakenSpace {
                    stored_new_bytes: backup.figures.bytes_stored_new.unwrap_or(sizes.stored_new_bytes),
                    exclusive_bytes: sizes.exclusive_bytes,
                    shared_bytes: sizes.shared_bytes,
                }),
                info: Some(views::backup_info(&backup)),
                sources: sources.collect(),
                problems,
                location: match caller {
                    Caller::Admin => core
                        .location(&backup)
                        .map_or_else(String::new, |path| path.display().to_string()),
                    Caller::Client(_) | Caller::User(_) => String::new(),
                },
            })
        })
        .await
        .map(Response::new)
    }

    async fn browse(&self, request: Request<BrowseRequest>) -> Result<Response<Self::BrowseStream>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let backup = resolve(
            &self.core,
            &caller,
            Right::Browse,
            &request.backup.clone().unwrap_or_default(),
        )?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || streams::browse(&core, &backup, &request, &sender));
        Ok(response)
    }

    async fn read_content(
        &self,
        request: Request<ReadContentRequest>,
    ) -> Result<Response<Self::ReadContentStream>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let backup = resolve(
            &self.core,
            &caller,
            Right::Restore,
            &request.backup.clone().unwrap_or_default(),
        )?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || content::read(&core, &backup, &request, &sender));
        Ok(response)
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<Self::DiffStream>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let from = resolve(
            &self.core,
            &caller,
            Right::Browse,
            &request.from.unwrap_or_default(),
        )?;
        let to = resolve(
            &self.core,
            &caller,
            Right::Browse,
            &request.to.unwrap_or_default(),
        )?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || streams::diff(&core, &from, &to, &sender));
        Ok(response)
    }

    async fn start(&self, request: Request<StartRequest>) -> Result<Response<Self::StartStream>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let client = caller.about(&request.client)?;
        let mode = views::mode(request.mode());
        let wanted = wanted(&request.kind, request.volumes)?;
        caller.may_for(&self.core, right_to_start(&wanted, mode), &client)?;
        self.core.catalog.client(&client).map_err(not_found)?;
        let reason = format!("{} asked for it", caller.in_words());
        let job = schedule::ask(&self.core, &client, mode, wanted, &reason)?;
        info!(job = %job.id, kind = %job.kind, client, who = caller.who(), "a backup was asked for");
        let (sender, response) = replies();
        tokio::spawn(follow(job, request.detach, sender));
        Ok(response)
    }

    async fn verify(&self, request: Request<VerifyRequest>) -> Result<Response<Self::VerifyStream>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let reference = request.backup.unwrap_or_default();
        let backup = resolve(&self.core, &caller, Right::Verify, &reference)?;
        let percent = request.source_percent;
        if !(0.0..=100.0).contains(&percent) {
            return Err(Status::invalid_argument(
                "the share of the source is a percentage from 0 to 100",
            ));
        }
        let job = verify::start(&self.core, backup, verify::Extent::of_percent(percent))?;
        let (sender, response) = replies();
        tokio::spawn(follow(job, false, sender));
        Ok(response)
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<DeleteReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let DeleteRequest { client, name, now } = request.into_inner();
        let right = if now { Right::Purge } else { Right::Delete };
        let backup = resolve(&self.core, &caller, right, &BackupRef { client, name })?;
        let named = format!("{}/{}", backup.client, backup.name);
        let core = self.core.clone();
        let until_ms = blocking(move || match now {
            true => retention::delete_for_good(&core, &backup).map(|()| None),
            false => retention::delete(&core, &backup),
        })
        .await?;
        let detail = match until_ms {
            Some(_) => "into the trash",
            None => "for good",
        };
        audit::note(&self.core, &actor, "backup-delete", &named, detail);
        Ok(Response::new(DeleteReply {
            until_ms: until_ms.unwrap_or_default(),
        }))
    }
}

fn wanted(kind: &str, volumes: Vec<String>) -> Result<Wanted, Status> {
    match kind {
        "" | "file" => Ok(Wanted::Files),
        "image" => Ok(Wanted::Image(volumes)),
        kind => {
            let what = format!("{kind:?} is no kind of backup: file, image");
            Err(Status::invalid_argument(what))
        }
    }
}

fn right_to_start(wanted: &Wanted, mode: BackupMode) -> Right {
    match (wanted, mode) {
        (Wanted::Files, BackupMode::Incremental) => Right::StartIncrementalFile,
        (Wanted::Files, BackupMode::Full) => Right::StartFullFile,
        (Wanted::Image(_), BackupMode::Incremental) => Right::StartIncrementalImage,
        (Wanted::Image(_), BackupMode::Full) => Right::StartFullImage,
    }
}

fn not_found(error: catalog::Error) -> Status {
    match error {
        catalog::Error::UnknownClient { .. } => Status::not_found(error.to_string()),
        error => Error::from(error).into(),
    }
}
