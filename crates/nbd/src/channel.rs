//! A connection's bytes, in the clear or within TLS.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::Socket;
use crate::{Error, Result};

/// Requests are small: so much is read at once, many may come together.
const READ_AHEAD_BYTES: usize = 16 << 10;

pub(crate) struct Channel {
    transport: Transport,
    /// Read from the transport, from a position on not yet taken.
    ahead: Vec<u8>,
    taken: usize,
}

enum Transport {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
    /// While one is exchanged for the other.
    None,
}

impl Channel {
    pub fn new(socket: Socket) -> Self {
        Self {
            transport: Transport::Plain(socket),
            ahead: Vec::new(),
            taken: 0,
        }
    }

    /// Goes on within TLS.
    pub fn start_tls(&mut self, config: Arc<ServerConfig>) -> Result<()> {
        // What came before the handshake could be from anybody.
        if self.taken < self.ahead.len() {
            return Err(Error::Protocol("it sends more before TLS has begun"));
        }
        let Transport::Plain(socket) = std::mem::replace(&mut self.transport, Transport::None) else {
            return Err(Error::Protocol("it begins TLS twice"));
        };
        let connection = ServerConnection::new(config).map_err(Error::Tls)?;
        let mut stream = Box::new(StreamOwned::new(connection, socket));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(tls_error)?;
        }
        self.transport = Transport::Tls(stream);
        Ok(())
    }

    pub fn is_tls(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    pub fn socket(&self) -> Option<&Socket> {
        match &self.transport {
            Transport::Plain(socket) => Some(socket),
            Transport::Tls(stream) => Some(&stream.sock),
            Transport::None => None,
        }
    }

    /// Waits for the next message; `false` where the client has closed the connection instead.
    pub fn has_more(&mut self) -> Result<bool> {
        if self.taken < self.ahead.len() {
            return Ok(true);
        }
        self.read_ahead().map(|len| len > 0)
    }

    /// Reads what there is, and returns how much; 0 at the end.
    fn read_ahead(&mut self) -> Result<usize> {
        self.ahead.resize(READ_AHEAD_BYTES, 0);
        self.taken = READ_AHEAD_BYTES;
        let len = self.transport.read(&mut self.ahead)?;
        self.ahead.truncate(len);
        self.taken = 0;
        Ok(len)
    }

    /// Fills the buffer.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let ahead = &self.ahead[self.taken..];
            if !ahead.is_empty() {
                let len = ahead.len().min(buffer.len() - done);
                buffer[done..done + len].copy_from_slice(&ahead[..len]);
                self.taken += len;
                done += len;
                continue;
            }
            let left = buffer.len() - done;
            let len = if left >= READ_AHEAD_BYTES {
                let len = self.transport.read(&mut buffer[done..])?;
                done += len;
                len
            } else {
                self.read_ahead()?
            };
            if len == 0 {
                return Err(Error::Connection(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(())
    }

    pub fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN]> {
        let mut bytes = [0; LEN];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    pub fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.transport {
            Transport::Plain(socket) => socket.write_all(bytes),
            Transport::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
            Transport::None => Err(io::ErrorKind::NotConnected.into()),
        };
        written.map_err(Error::Connection)
    }

    /// Tells the client that nothing more comes.
    pub fn close(mut self) {
        if let Transport::Tls(stream) = &mut self.transport {
            stream.conn.send_close_notify();
            // It may be gone already.
            let _ = stream.flush();
        }
    }
}

impl Transport {
    /// Reads something, or 0 bytes at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let read = match self {
                Self::Plain(socket) => socket.read(buffer),
                Self::Tls(stream) => stream.read(buffer),
                Self::None => Err(io::ErrorKind::NotConnected.into()),
            };
            match read {
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Connection(error)),
            }
        }
    }
}

fn tls_error(error: io::Error) -> Error {
    match error.downcast::<rustls::Error>() {
        Ok(error) => Error::Tls(error),
        Err(error) => Error::Connection(error),
    }
}
