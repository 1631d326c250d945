//! A file backup on its way in: one control stream that brings operations in manifest order, several data
//! connections that bring content in any order, one thread each.
//!
//! ```text
//! begin ─▶ operations ⇄ content ─▶ all complete ─▶ received ─▶ commit ─▶ committed
//!    └────────────┴─── lost connection, cancel, breach, full disk ──▶ suspended: the next run resumes
//! ```
//! Lock order: the table of announced files, then the assembler; no lock is held while a file is written.

mod announced;
mod begin;
mod commit;
mod content;
mod operations;
mod session;

pub use begin::{Begun, begin};
pub use session::Session;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tonic::Status;
use wire::v1::{IngestReply, IngestRequest, ingest_reply::Reply, ingest_request::Request};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::ingest::operations::Operations;

/// How often what has arrived is made durable while a backup runs: what a power cut can cost.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(60);

/// Where the answers to the client go.
pub type Replies = mpsc::Sender<Result<IngestReply, Status>>;

/// Sends an answer to the client.
pub(crate) fn reply(replies: &Replies, reply: Reply) -> Result<()> {
    replies
        .blocking_send(Ok(IngestReply { reply: Some(reply) }))
        .map_err(|_| Error::Disconnected)
}

/// Takes in one backup, blocking, from the first operation to the commit.
///
/// Whatever fails, what has arrived is kept for the next run, and no committed backup is touched.
pub fn run(
    core: &Arc<Core>,
    begun: Begun,
    mut requests: mpsc::Receiver<IngestRequest>,
    greeting: Reply,
    replies: &Replies,
) -> Result<()> {
    let Begun { session, base, job } = begun;
    // ORDER: the session must be open for data connections before the client hears of it.
    core.sessions.enter(session.clone());
    let received =
        reply(replies, greeting).and_then(|()| receive(&session, base.as_ref(), &mut requests, replies));
    core.sessions.leave(session.token());
    let done = match received {
        Ok(digest) => commit::commit(core, &session, &job, digest, replies),
        Err(_) if job.cancel.is_cancelled() => Err(Error::Cancelled),
        Err(error) => Err(session.failure().unwrap_or(error)),
    };
    if let Err(error) = &done {
        session.shut_down();
        session.suspend();
        core.board.fail(&job, error);
    }
    done
}

/// Applies requests until the client has finished and all content is there. Returns the client's digest.
fn receive(
    session: &Arc<Session>,
    base: Option<&manifest::Reader>,
    requests: &mut mpsc::Receiver<IngestRequest>,
    replies: &Replies,
) -> Result<Vec<u8>> {
    let mut operations = Operations::new(session.clone(), base);
    let mut kept = Instant::now();
    loop {
        if kept.elapsed() > CHECKPOINT_INTERVAL {
            session.checkpoint()?;
            kept = Instant::now();
        }
        session.check()?;
        let request = requests.blocking_recv().ok_or(Error::Disconnected)?;
        match request
            .request
            .ok_or_else(|| Error::protocol("an empty request"))?
        {
            Request::Begin(_) => return Err(Error::protocol("a second beginning")),
            Request::Operations(batch) => operations.apply(&batch, replies)?,
            Request::Offers(offers) => operations.offered(offers.offers, replies)?,
            Request::Problems(problems) => session.problems(problems.problems),
            Request::Progress(progress) => session.job().progress(progress),
            Request::Finish(finish) => {
                operations.finish()?;
                session.wait_complete()?;
                return Ok(finish.digest);
            }
        }
    }
}
