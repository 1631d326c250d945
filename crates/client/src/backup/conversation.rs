//! What the server says during a session.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tonic::Streaming;
use wire::v1::ingest_reply::Reply;
use wire::v1::{Committed, IngestReply, IngestSession};

use super::PROGRESS_INTERVAL;
use super::session::Session;
use crate::error::{Error, Result};
use crate::monitor::Phase;

/// The server's side of the session's stream.
pub(super) struct Conversation {
    replies: Streaming<IngestReply>,
}

impl Conversation {
    pub(super) fn new(replies: Streaming<IngestReply>) -> Self {
        Self { replies }
    }

    /// Waits for the session to be granted.
    pub(super) async fn session(&mut self) -> Result<IngestSession> {
        match self.next().await? {
            Reply::Session(session) => Ok(session),
            _ => Err(Error::Protocol {
                what: "something else than a session was granted",
            }),
        }
    }

    /// Takes what the server says until the backup is committed, and tells how far it is.
    pub(super) async fn follow(&mut self, session: &Session, report: impl Fn(Phase)) -> Result<Committed> {
        let mut ticks = interval_at(Instant::now() + Duration::from_millis(100), PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = Phase::Transferring;
        loop {
            let reply = tokio::select! {
                reply = self.next() => reply?,
                _ = ticks.tick() => {
                    report(phase);
                    continue;
                }
            };
            match reply {
                Reply::Answers(answers) => session.answer(answers.answers)?,
                Reply::Received(_) => {
                    phase = Phase::Finishing;
                    session.note_received();
                    report(phase);
                }
                Reply::Committed(committed) => {
                    session.note_received();
                    return Ok(committed);
                }
                Reply::Session(_) => {
                    return Err(Error::Protocol {
                        what: "a second session was granted",
                    });
                }
            }
        }
    }

    /// Waits for the stream's end and tells what the server says about it.
    pub(super) async fn end(&mut self) -> Option<Error> {
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(error) => return Some(error),
            }
        }
    }

    async fn next(&mut self) -> Result<Reply> {
        match self.replies.message().await {
            Ok(Some(IngestReply { reply: Some(reply) })) => Ok(reply),
            Ok(Some(IngestReply { reply: None })) => Err(Error::Protocol {
                what: "an empty reply",
            }),
            Ok(None) => Err(Error::interrupted("the server ended the backup without a reason")),
            Err(status) => Err(Error::from_status(&status)),
        }
    }
}
