//! How answers go out: streams of replies, and blocking work beside the asynchronous side.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use crate::error::{Error, Result};

/// Messages that wait for a caller that is slow to take them.
const QUEUED_REPLIES: usize = 16;

/// A stream of replies.
pub type Replies<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

/// To whom a stream of replies goes.
pub type Sender<T> = mpsc::Sender<Result<T, Status>>;

/// A stream of replies, and what fills it.
pub fn replies<T: Send + 'static>() -> (Sender<T>, Response<Replies<T>>) {
    let (sender, receiver) = mpsc::channel(QUEUED_REPLIES);
    (sender, Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// Sends a reply, from a thread of its own.
pub fn send<T>(sender: &Sender<T>, reply: T) -> Result<()> {
    sender.blocking_send(Ok(reply)).map_err(|_| Error::Disconnected)
}

/// Ends a stream of replies, with the error if there is one.
pub fn finish<T>(result: Result<()>, sender: &Sender<T>) {
    match result {
        Ok(()) | Err(Error::Disconnected) => {}
        Err(error) => {
            // The caller may be gone.
            let _ = sender.blocking_send(Err(error.into()));
        }
    }
}

/// Runs blocking work beside the asynchronous side.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Status::internal("the work was given up")),
    }
}
