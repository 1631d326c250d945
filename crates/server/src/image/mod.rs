//! An image backup on its way in: a control stream that says what volumes there are, data connections that bring blocks in
//! any order, one thread each.
//!
//! ```text
//! begin ─▶ hashes out ⇄ blocks in ─▶ received ─▶ synthetic disks ─▶ commit ─▶ committed
//!    └──────────┴── lost connection, cancel, breach, full disk ──▶ kept: the next run resumes
//! ```
//! The client compares: it is told the hashes of the blocks that are there, and sends those that differ. What arrives is hashed
//! here again, and at the end both sides must have come to the same hash of each volume.

mod begin;
mod choice;
mod commit;
mod content;
mod description;
mod session;
mod synthetic;

pub use begin::{Begun, begin};
pub use choice::{ImageChoice, volume_format};
pub use description::{description_in, disks_in, open_volume_in};
pub use session::Session;
pub use synthetic::assemble_derived;

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::Status;
use wire::v1::{ImageFinish, ImageReply, ImageRequest, image_reply::Reply, image_request::Request};

use crate::core::Core;
use crate::error::{Error, Result};

/// Where the answers to the client go.
pub type Replies = mpsc::Sender<Result<ImageReply, Status>>;

fn reply(replies: &Replies, reply: Reply) -> Result<()> {
    replies
        .blocking_send(Ok(ImageReply { reply: Some(reply) }))
        .map_err(|_| Error::Disconnected)
}

/// Takes in one image, blocking, from its beginning to the commit.
///
/// Whatever fails, what has arrived is kept for the next run, and no committed backup is touched.
pub fn run(
    core: &Arc<Core>,
    begun: Begun,
    mut requests: mpsc::Receiver<ImageRequest>,
    greeting: Reply,
    replies: &Replies,
) -> Result<()> {
    let Begun { session, job } = begun;
    // ORDER: the session must be open for data connections before the client hears of it.
    core.sessions.enter(session.clone());
    let received = reply(replies, greeting).and_then(|()| receive(&session, &mut requests));
    core.sessions.leave(session.token());
    let done = match received {
        Ok(()) => commit::commit(core, &session, &job, replies),
        Err(_) if job.cancel.is_cancelled() => Err(Error::Cancelled),
        Err(error) => Err(session.failure().unwrap_or(error)),
    };
    if let Err(error) = &done {
        session.shut_down();
        session.let_go();
        core.board.fail(&job, error);
    }
    done
}

/// Takes requests until the client has finished and all content is there.
fn receive(session: &Arc<Session>, requests: &mut mpsc::Receiver<ImageRequest>) -> Result<()> {
    loop {
        session.check()?;
        let request = requests.blocking_recv().ok_or(Error::Disconnected)?;
        match request
            .request
            .ok_or_else(|| Error::protocol("an empty request"))?
        {
            Request::Begin(_) => return Err(Error::protocol("a second beginning")),
            Request::Problems(problems) => session.problems(problems.problems),
            Request::Progress(progress) => session.job().progress(progress),
            Request::Finish(finish) => return conclude(session, &finish),
        }
    }
}

/// Waits for what is still on its way, and compares what both sides have come to.
fn conclude(session: &Session, finish: &ImageFinish) -> Result<()> {
    session.wait_connections(finish.data_connections)?;
    session.close_volumes(&finish.volumes)
}
