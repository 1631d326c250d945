//! Unix sockets: the server's for its administration, and a client's own.

use std::io;
use std::path::Path;

use anyhow::Result;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::failure::Failure;

/// Connects to the server with this state directory; `None` where none runs.
pub async fn connect(state_dir: &Path) -> Result<Option<Channel>> {
    over_socket(&state_dir.join(wire::ADMIN_SOCKET)).await
}

/// Connects to whoever listens on this socket; `None` where nobody does.
pub async fn over_socket(socket: &Path) -> Result<Option<Channel>> {
    let stream = match UnixStream::connect(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused => {
                    Ok(None)
                }
                // The directory of another user's server can't be looked into: for this user there is none.
                io::ErrorKind::PermissionDenied if !socket.try_exists().unwrap_or(false) => Ok(None),
                _ => Err(Failure::SocketDenied {
                    socket: socket.display().to_string(),
                    source: error,
                }
                .into()),
            };
        }
    };
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: Uri| {
        std::future::ready(
            stream
                .take()
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)),
        )
    });
    // The address is a formality: the stream is connected already.
    let endpoint = Endpoint::from_static("http://admin.perennial.internal");
    Ok(Some(endpoint.connect_with_connector(connector).await?))
}
