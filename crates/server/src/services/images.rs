//! The service for images on their way in: the session's stream, and the hashes of what is there already.

use std::sync::Arc;

use catalog::JobKind;
use policy::access::Right;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};
use tracing::warn;
use wire::v1::images_server::Images;
use wire::v1::{
    BlockHashes, BlockHashesRequest, ImageReply, ImageRequest, image_reply::Reply, image_request,
};

use super::backups::streams::{end, enter, forward_requests};
use super::views;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::image::{self, Session};
use crate::services::access::caller_of;
use crate::services::reply::{Replies, blocking, replies};

/// Requests that wait for the thread that applies them.
const QUEUED_MESSAGES: usize = 16;

/// Takes in images.
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
impl Images for Service {
    type ImageBackupStream = Replies<ImageReply>;
    type FetchBlockHashesStream = Replies<BlockHashes>;

    async fn image_backup(
        &self,
        request: Request<Streaming<ImageRequest>>,
    ) -> Result<Response<Self::ImageBackupStream>, Status> {
        let client = caller_of(&request)?.client()?;
        let (sender, response) = replies();
        tokio::spawn(take_in(self.core.clone(), client, request.into_inner(), sender));
        Ok(response)
    }

    async fn fetch_block_hashes(
        &self,
        request: Request<BlockHashesRequest>,
    ) -> Result<Response<Self::FetchBlockHashesStream>, Status> {
        let client = caller_of(&request)?.client()?;
        let request = request.into_inner();
        let session = self.core.sessions.get(&request.session);
        let session = session.filter(|session| session.client() == client);
        let session = session
            .and_then(|session| session.image())
            .ok_or_else(|| Status::not_found("there is no such session, or it is none of an image"))?;
        let (sender, response) = replies();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = send_hashes(&session, request.volume_id, &sender)
                && !matches!(error, Error::Disconnected)
            {
                // The caller may be gone.
                let _ = sender.blocking_send(Err(error.into()));
            }
        });
        Ok(response)
    }
}

async fn take_in(
    core: Arc<Core>,
    client: String,
    mut requests: Streaming<ImageRequest>,
    replies: image::Replies,
) {
    let first = requests.message().await.ok().flatten();
    let Some(image_request::Request::Begin(begin)) = first.and_then(|first| first.request) else {
        let refusal = Status::invalid_argument("the first request must be the beginning");
        let _ = replies.send(Err(refusal)).await;
        return;
    };
    let caller = Caller::Client(client.clone());
    let started = async {
        let (mode, rights) = (
            views::mode(begin.mode()),
            [Right::StartIncrementalImage, Right::StartFullImage],
        );
        let job = enter(
            &core,
            &caller,
            (JobKind::ImageBackup, mode),
            rights,
            begin.job_id,
            &replies,
        )
        .await?;
        let core = core.clone();
        blocking(move || image::begin(&core, &job, &begin)).await
    };
    let (begun, session) = match started.await {
        Ok(started) => started,
        Err(status) => {
            warn!(client, why = status.message(), "an image backup was refused");
            let _ = replies.send(Err(status)).await;
            return;
        }
    };
    let (live, job) = (begun.session.clone(), begun.job.clone());
    let (forward, queue) = mpsc::channel(QUEUED_MESSAGES);
    let runner = {
        let (core, replies) = (core.clone(), replies.clone());
        tokio::task::spawn_blocking(move || {
            image::run(&core, begun, queue, Reply::Session(session), &replies)
        })
    };
    forward_requests(&mut requests, forward, live.ended(), &job, || live.shut_down()).await;
    end(runner, &client, &replies).await;
}

/// Sends the hashes of all groups of a volume that are not all zeros.
fn send_hashes(
    session: &Session,
    volume_id: u64,
    sender: &mpsc::Sender<Result<BlockHashes, Status>>,
) -> Result<()> {
    let groups = session.open()?.volume(volume_id)?.groups()?;
    for group in groups.into_iter().flatten() {
        session.check()?;
        // Opened anew each time: a caller that takes nothing must not hold up the commit.
        let Some(hashes) = session.open()?.volume(volume_id)?.group(group)? else {
            continue;
        };
        let hashes = hashes.iter().flat_map(|hash| hash.0).collect();
        sender
            .blocking_send(Ok(BlockHashes { group, hashes }))
            .map_err(|_| Error::Disconnected)?;
    }
    Ok(())
}
