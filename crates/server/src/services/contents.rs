//! The service for looking into backups and taking out of them: search, versions, archives, images, restores by the client.

mod archive;
mod image;
mod name_pattern;
mod published;
mod search;
mod versions;
mod volume;

use std::sync::Arc;

use catalog::{Backup, BackupFilter, BackupKind};
use policy::access::Right;
use tonic::{Request, Response, Status};
use wire::v1::contents_server::Contents;
use wire::v1::{
    BackupRef, BrowseReply, BrowseVolumeRequest, ContentPart, Existing, ImageDetail, JobEvent, JobInfo,
    ListPublishedReply, ListPublishedRequest, ListVersionsReply, ListVersionsRequest, PublishDiskRequest,
    ReadArchiveRequest, ReadPublishedRequest, ReadVolumeFileRequest, RestoreToClientRequest, SearchReply,
    SearchRequest, UnpublishReply, UnpublishRequest,
};

use crate::audit;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::publishing;
use crate::restore::asked;
use crate::services::access::{actor_of, caller_of, resolve};
use crate::services::follow::follow;
use crate::services::reply::{Replies, blocking, finish, replies};
use crate::services::views;

pub use volume::entry_on_volume;

/// Answers all that is about what backups hold.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The image that a request is about.
    fn image(&self, caller: &Caller, right: Right, reference: Option<BackupRef>) -> Result<Backup, Status> {
        let backup = resolve(&self.core, caller, right, &reference.unwrap_or_default())?;
        match backup.kind {
            BackupKind::Image => Ok(backup),
            BackupKind::File => Err(Status::invalid_argument(format!(
                "{}/{} is a file backup and no image",
                backup.client, backup.name
            ))),
        }
    }
}

/// A client's file backups, the newest first.
fn newest_first(core: &Core, client: &str) -> Result<Vec<Backup>, Error> {
    core.catalog.client(client)?;
    let filter = BackupFilter {
        kind: Some(BackupKind::File),
        ..BackupFilter::committed_of(client)
    };
    let mut backups = core.catalog.backups(&filter)?;
    backups.sort_by(|one, other| (other.started_ms, &other.name).cmp(&(one.started_ms, &one.name)));
    Ok(backups)
}

#[tonic::async_trait]
impl Contents for Service {
    type SearchStream = Replies<SearchReply>;
    type ReadArchiveStream = Replies<ContentPart>;
    type BrowseVolumeStream = Replies<BrowseReply>;
    type ReadVolumeFileStream = Replies<ContentPart>;
    type PublishDiskStream = Replies<JobEvent>;
    type ReadPublishedStream = Replies<ContentPart>;

    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<Self::SearchStream>, Status> {
        let caller = caller_of(&request)?;
        let mut request = request.into_inner();
        request.client = caller.about(&request.client)?;
        caller.may_for(&self.core, Right::Browse, &request.client)?;
        let search = search::Search::new(request)?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || finish(search.run(&core, &sender), &sender));
        Ok(response)
    }

    async fn list_versions(
        &self,
        request: Request<ListVersionsRequest>,
    ) -> Result<Response<ListVersionsReply>, Status> {
        let caller = caller_of(&request)?;
        let ListVersionsRequest { client, path } = request.into_inner();
        let client = caller.about(&client)?;
        caller.may_for(&self.core, Right::Browse, &client)?;
        let core = self.core.clone();
        let versions = blocking(move || versions::of(&core, &client, &path)).await?;
        Ok(Response::new(ListVersionsReply { versions }))
    }

    async fn read_archive(
        &self,
        request: Request<ReadArchiveRequest>,
    ) -> Result<Response<Self::ReadArchiveStream>, Status> {
        let caller = caller_of(&request)?;
        let mut request = request.into_inner();
        let reference = request.backup.take().unwrap_or_default();
        let backup = resolve(&self.core, &caller, Right::Restore, &reference)?;
        let wanted = archive::Wanted::new(&backup, &request)?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || finish(wanted.run(&core, &backup, &sender), &sender));
        Ok(response)
    }

    async fn show_image(&self, request: Request<BackupRef>) -> Result<Response<ImageDetail>, Status> {
        let caller = caller_of(&request)?;
        let image = self.image(&caller, Right::Browse, Some(request.into_inner()))?;
        let core = self.core.clone();
        blocking(move || image::describe(&core, &image))
            .await
            .map(Response::new)
    }

    async fn browse_volume(
        &self,
        request: Request<BrowseVolumeRequest>,
    ) -> Result<Response<Self::BrowseVolumeStream>, Status> {
        let caller = caller_of(&request)?;
        let mut request = request.into_inner();
        let image = self.image(&caller, Right::Browse, request.backup.take())?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || {
            finish(volume::list(&core, &image, &request, &sender), &sender);
        });
        Ok(response)
    }

    async fn read_volume_file(
        &self,
        request: Request<ReadVolumeFileRequest>,
    ) -> Result<Response<Self::ReadVolumeFileStream>, Status> {
        let caller = caller_of(&request)?;
        let mut request = request.into_inner();
        let image = self.image(&caller, Right::Restore, request.backup.take())?;
        let core = self.core.clone();
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || {
            finish(volume::read(&core, &image, &request, &sender), &sender);
        });
        Ok(response)
    }

    async fn restore_to_client(
        &self,
        request: Request<RestoreToClientRequest>,
    ) -> Result<Response<JobInfo>, Status> {
        let (caller, actor) = (caller_of(&request)?, actor_of(&request)?);
        let mut request = request.into_inner();
        let reference = request.backup.take().unwrap_or_default();
        let backup = resolve(&self.core, &caller, Right::Restore, &reference)?;
        let wish = wish(request)?;
        let core = self.core.clone();
        let named = format!("{}/{}", backup.client, backup.name);
        let detail = wish
            .target
            .clone()
            .unwrap_or_else(|| "to where it came from".to_owned());
        let who = caller.in_words();
        let job = blocking(move || {
            let job = asked::ask(&core, &backup, &wish, &who)?;
            Ok(views::job_info(&core, core.catalog.job(job.id)?))
        })
        .await?;
        audit::note(&self.core, &actor, "restore-to-client", &named, &detail);
        Ok(Response::new(job))
    }

    async fn publish_disk(
        &self,
        request: Request<PublishDiskRequest>,
    ) -> Result<Response<Self::PublishDiskStream>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let mut request = request.into_inner();
        let image = self.image(&caller, Right::Restore, request.backup.take())?;
        let named = format!("{}/{}", image.client, image.name);
        let core = self.core.clone();
        let (job, wanted) = blocking(move || {
            let PublishDiskRequest {
                disk, volume, format, ..
            } = &request;
            let wanted = publishing::Wanted::find(&core.open_backup(&image)?, disk, volume, format)?;
            let told = wanted.to_string();
            Ok((publishing::start(&core, image, wanted)?, told))
        })
        .await?;
        audit::note(&self.core, &actor, "disk-publish", &named, &wanted);
        let (sender, response) = replies();
        tokio::spawn(follow(job, false, sender));
        Ok(response)
    }

    async fn list_published(
        &self,
        request: Request<ListPublishedRequest>,
    ) -> Result<Response<ListPublishedReply>, Status> {
        let caller = caller_of(&request)?;
        let ListPublishedRequest { client } = request.into_inner();
        if !client.is_empty() {
            caller.may_for(&self.core, Right::Restore, &client)?;
        }
        let core = self.core.clone();
        let disks = blocking(move || published::list(&core, &caller, &client)).await?;
        Ok(Response::new(ListPublishedReply { disks }))
    }

    async fn unpublish(
        &self,
        request: Request<UnpublishRequest>,
    ) -> Result<Response<UnpublishReply>, Status> {
        let caller = caller_of(&request)?;
        let actor = actor_of(&request)?;
        let UnpublishRequest { id } = request.into_inner();
        let core = self.core.clone();
        let disk = blocking(move || {
            let placed = publishing::find(&core, &id)?;
            caller.may_for(&core, Right::Restore, placed.1.client.as_str())?;
            publishing::remove(&placed)?;
            Ok(placed.1)
        })
        .await?;
        let named = format!("{}/{}", disk.client, disk.backup);
        audit::note(&self.core, &actor, "disk-unpublish", &named, &disk.file);
        Ok(Response::new(UnpublishReply {}))
    }

    async fn read_published(
        &self,
        request: Request<ReadPublishedRequest>,
    ) -> Result<Response<Self::ReadPublishedStream>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let (core, id) = (self.core.clone(), request.id.clone());
        let placed = blocking(move || {
            let placed = publishing::find(&core, &id)?;
            caller.may_for(&core, Right::Restore, placed.1.client.as_str())?;
            Ok(placed)
        })
        .await?;
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || {
            finish(published::read(&placed, &request, &sender), &sender);
        });
        Ok(response)
    }
}

fn wish(request: RestoreToClientRequest) -> Result<asked::Wish, Status> {
    let existing = match request.existing.as_str() {
        "" | "keep" => Existing::Keep,
        "both" => Existing::Both,
        "overwrite" => Existing::Overwrite,
        word => {
            let what =
                format!("{word:?} is not what can happen with a file that is there: keep, both or overwrite");
            return Err(Status::invalid_argument(what));
        }
    };
    Ok(asked::Wish {
        paths: request.paths,
        target: Some(request.target).filter(|target| !target.is_empty()),
        existing,
    })
}
