//! Data connections: blocking TLS, one thread each, which gives back-pressure for nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use wire::read_ahead::ReadAhead;

use super::{Proxy, server_name, tls, untrusted_or_unreachable};
use crate::error::{Error, Result};
use crate::identity::Identity;

const DIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// A peer that takes or gives nothing for so long is lost.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How much is encrypted before it is handed to the system in one call.
const BUFFER_BYTES: usize = 1 << 20;

/// Opens data connections; cheap to clone and usable from any thread.
#[derive(Clone, Debug)]
pub struct DataDialler {
    address: Arc<str>,
    proxy: Option<Proxy>,
    config: Arc<ClientConfig>,
}

impl DataDialler {
    /// One that dials an address of the server.
    pub(super) fn new(identity: &Identity, address: &str) -> Result<Self> {
        let config = Arc::new(tls::enrolled(identity, wire::alpn::DATA)?);
        Ok(Self {
            address: address.into(),
            proxy: identity.reach().proxy.clone(),
            config,
        })
    }

    /// One for tests, which leads nowhere.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let roots = rustls::RootCertStore::empty();
        let config = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider knows TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address: "127.0.0.1:1".into(),
            proxy: None,
            config: Arc::new(config),
        }
    }

    /// Dials a data connection and shakes hands. Blocks.
    pub fn open(&self) -> Result<DataConnection> {
        let unreachable = |source| Error::Unreachable {
            address: self.address.to_string(),
            source,
        };
        let place = self.proxy.as_ref().map_or(&*self.address, Proxy::address);
        let mut tcp = connect(place).map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        tcp.set_read_timeout(Some(STALL_TIMEOUT)).map_err(unreachable)?;
        tcp.set_write_timeout(Some(STALL_TIMEOUT)).map_err(unreachable)?;
        if let Some(proxy) = &self.proxy {
            proxy
                .lead_blocking(&mut tcp, &self.address)
                .map_err(unreachable)?;
        }
        let mut tls =
            ClientConnection::new(self.config.clone(), server_name()).map_err(Error::certificate)?;
        tls.set_buffer_limit(Some(BUFFER_BYTES));
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)
                .map_err(|source| untrusted_or_unreachable(&self.address, source))?;
        }
        let peer = tcp.peer_addr().map_err(unreachable)?;
        Ok(DataConnection {
            stream: StreamOwned::new(tls, ReadAhead::new(tcp)),
            is_loopback: self.proxy.is_none() && peer.ip().to_canonical().is_loopback(),
        })
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the address has no host");
    for candidate in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&candidate, DIAL_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// One data connection.
#[derive(Debug)]
pub struct DataConnection {
    stream: StreamOwned<ClientConnection, ReadAhead<TcpStream>>,
    is_loopback: bool,
}

impl DataConnection {
    /// Whether the server is on this machine.
    pub fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Gives a handle that ends the connection from another thread.
    pub fn breaker(&self) -> Result<Breaker> {
        let socket = self.stream.sock.socket().try_clone();
        socket
            .map(Breaker)
            .map_err(|error| Error::interrupted(format_args!("a data connection failed: {error}")))
    }

    /// Waits for the peer for as long as it takes from now on: it sends when it is asked for something only.
    pub fn wait_forever(&self) -> Result<()> {
        let set = self.stream.sock.socket().set_read_timeout(None);
        set.map_err(|error| Error::interrupted(format_args!("a data connection failed: {error}")))
    }

    /// Tells the peer that nothing follows.
    pub fn close(mut self) -> io::Result<()> {
        self.stream.conn.send_close_notify();
        self.stream.flush()?;
        self.stream.sock.socket().shutdown(Shutdown::Write)
    }
}

impl Read for DataConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for DataConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Ends a data connection that another thread reads from or writes to.
#[derive(Debug)]
pub struct Breaker(TcpStream);

impl Breaker {
    /// Ends the connection at once; the other thread's call fails.
    pub fn sever(&self) {
        // A connection that is closed already needs no more.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
