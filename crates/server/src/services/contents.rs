//! The service for looking into backups and taking out of them: search, versions, archives, images.

mod archive;
mod image;
mod name_pattern;
mod search;
mod versions;
mod volume;

use std::sync::Arc;

use catalog::{Backup, BackupFilter, BackupKind};
use policy::access::Right;
use tonic::{Request, Response, Status};
use wire::v1::contents_server::Contents;
use wire::v1::{
    BackupRef, BrowseReply, BrowseVolumeRequest, ContentPart, ImageDetail, ListVersionsReply,
    ListVersionsRequest, ReadArchiveRequest, ReadVolumeFileRequest, SearchReply, SearchRequest,
};

use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::services::access::{caller_of, resolve};
use crate::services::reply::{Replies, blocking, finish, replies};

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
}
