//! How content comes from the server: a stream of requests that it grants a session, and data connections of that session. Restores, images that
//! are read and mounted backups have it so.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::frame::{FrameReader, FrameWriter};
use wire::v1::restore_reply::Reply;
use wire::v1::restore_request::Request;
use wire::v1::{BackupRef, RestoreBegin, RestoreReply, RestoreRequest, RestoreSession};

use crate::backup::lost;
use crate::connection::{Connection, DataConnection};
use crate::error::{Error, Result};

/// A session that the server has granted.
pub(crate) struct Granted {
    /// Where requests go.
    pub(crate) requests: mpsc::Sender<RestoreRequest>,
    /// Where the server tells of them.
    pub(crate) replies: Streaming<RestoreReply>,
    /// What it has granted.
    pub(crate) session: RestoreSession,
}

/// Asks for a session for a backup. So many requests may wait to be sent.
pub(crate) async fn ask(connection: &Connection, backup: BackupRef, queued: usize) -> Result<Granted> {
    let (requests, stream) = mpsc::channel(queued);
    let begin = RestoreBegin {
        protocol: *wire::version::SPOKEN.end(),
        backup: Some(backup),
    };
    let request = RestoreRequest {
        request: Some(Request::Begin(begin)),
    };
    requests
        .try_send(request)
        .map_err(|_| Error::interrupted("the stream ended before it began"))?;
    let replies = connection.backups().restore(ReceiverStream::new(stream)).await;
    let mut replies = replies
        .map_err(|status| Error::from_status(&status))?
        .into_inner();
    match next(&mut replies).await? {
        Reply::Session(session) => Ok(Granted {
            requests,
            replies,
            session,
        }),
        _ => Err(Error::Protocol {
            what: "something else than a session was granted",
        }),
    }
}

/// The next reply.
pub(crate) async fn next(replies: &mut Streaming<RestoreReply>) -> Result<Reply> {
    match replies.message().await {
        Ok(Some(RestoreReply { reply: Some(reply) })) => Ok(reply),
        Ok(Some(RestoreReply { reply: None })) => Err(Error::Protocol {
            what: "an empty reply",
        }),
        Ok(None) => Err(Error::interrupted(
            "the server ended the restore without a reason",
        )),
        Err(status) => Err(Error::from_status(&status)),
    }
}

/// Makes a data connection one of the session with this key. Blocks. What comes over it may take as long as it likes: the server sends when
/// it is asked for something.
pub(crate) fn join(mut line: DataConnection, key: &[u8]) -> Result<FrameReader<DataConnection>> {
    line.wait_forever()?;
    drop(FrameWriter::create(&mut line, key).map_err(lost)?);
    let (frames, answered) = FrameReader::open(line).map_err(lost)?;
    if answered != key {
        return Err(Error::Protocol {
            what: "a data connection of another session",
        });
    }
    Ok(frames)
}
