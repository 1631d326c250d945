//! The sessions that data connections can belong to, by their tokens.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::{ServerConnection, StreamOwned};
use tracing::{debug, warn};
use wire::frame::{FrameReader, FrameWriter};
use wire::read_ahead::ReadAhead;

use crate::error::Result;
use crate::listen::DataConnection;

/// How long a new data connection may take to introduce itself.
const INTRODUCTION_TIMEOUT: Duration = Duration::from_secs(30);

type Stream = StreamOwned<ServerConnection, ReadAhead<std::net::TcpStream>>;

/// A data connection that has introduced itself.
pub struct DataReader {
    frames: FrameReader<Stream>,
    handle: Option<std::net::TcpStream>,
    _permit: tokio::sync::OwnedSemaphorePermit,
}

impl DataReader {
    /// The frames that come in.
    pub fn frames(&mut self) -> &mut FrameReader<Stream> {
        &mut self.frames
    }

    /// A second handle on the socket, to shut it down from elsewhere.
    pub fn handle(&mut self) -> Option<std::net::TcpStream> {
        self.handle.take()
    }

    /// Turns the connection around: from now on this side sends.
    pub fn into_writer(self, session: &[u8]) -> Result<FrameWriter<Stream>> {
        Ok(FrameWriter::create(self.frames.into_inner(), session)?)
    }
}

/// What a data connection can belong to.
pub trait DataSession: Send + Sync {
    /// The client whose session it is; connections of others are refused.
    fn client(&self) -> &str;
    /// What the connection must present.
    fn token(&self) -> &[u8];
    /// The manifest of the session's base, if it has one.
    fn base_manifest(&self) -> Option<File> {
        None
    }
    /// The session as one of an image, if it is one.
    fn image(self: Arc<Self>) -> Option<Arc<crate::image::Session>> {
        None
    }
    /// Serves the connection, blocking, until it ends.
    fn serve(self: Arc<Self>, reader: DataReader);
}

/// All sessions that are open.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<HashMap<Vec<u8>, Arc<dyn DataSession>>>,
}

impl Sessions {
    /// Opens a session for data connections.
    pub fn enter(&self, session: Arc<dyn DataSession>) {
        self.open.lock().insert(session.token().to_vec(), session);
    }

    /// The open session with this token.
    pub fn get(&self, token: &[u8]) -> Option<Arc<dyn DataSession>> {
        self.open.lock().get(token).cloned()
    }

    /// Closes a session for new data connections.
    pub fn leave(&self, token: &[u8]) {
        self.open.lock().remove(token);
    }

    /// Serves a data connection on a thread of its own.
    pub fn admit(self: &Arc<Self>, connection: DataConnection) {
        let sessions = self.clone();
        let client = connection.peer.name.clone();
        let spawned = std::thread::Builder::new()
            .name("data".into())
            .spawn(move || sessions.serve(connection));
        if let Err(error) = spawned {
            warn!(client, %error, "no thread could be had for a data connection");
        }
    }

    fn serve(&self, connection: DataConnection) {
        let DataConnection { peer, stream, permit } = connection;
        let opened = introduced(stream, permit);
        let (reader, token) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                debug!(client = peer.name, %error, "a data connection did not introduce itself");
                return;
            }
        };
        let session = self.get(&token);
        match session {
            Some(session) if session.client() == peer.name => session.serve(reader),
            Some(_) => warn!(
                client = peer.name,
                "a data connection for another client's session was refused"
            ),
            None => debug!(
                client = peer.name,
                "a data connection for a session that has ended"
            ),
        }
    }
}

fn introduced(stream: Stream, permit: tokio::sync::OwnedSemaphorePermit) -> Result<(DataReader, Vec<u8>)> {
    let handle = stream
        .sock
        .socket()
        .try_clone()
        .map_err(wire::frame::FrameError::from)?;
    let timeout = |limit| {
        handle
            .set_read_timeout(limit)
            .map_err(wire::frame::FrameError::from)
    };
    timeout(Some(INTRODUCTION_TIMEOUT))?;
    let (frames, token) = FrameReader::open(stream)?;
    // From here on TCP's keep-alive finds dead peers: a client may well be silent while it reads a large file.
    timeout(None)?;
    Ok((
        DataReader {
            frames,
            handle: Some(handle),
            _permit: permit,
        },
        token,
    ))
}
