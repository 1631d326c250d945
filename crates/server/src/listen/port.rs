//! The TCP port: accepts, does the TLS handshake, and hands each connection to whom ALPN says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::StreamOwned;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};
use wire::read_ahead::ReadAhead;

use crate::listen::{ControlIo, Web};
use crate::trust::{ClientPeer, Peer};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// A peer that takes nothing for so long is dead.
const DATA_TIMEOUT: Duration = Duration::from_secs(120);
/// How much is encrypted before it is handed to the system in one call.
const BUFFER_BYTES: usize = 1 << 20;
/// Connections open or in their handshake at the same time.
const MAX_CONNECTIONS: usize = 4096;

/// A data connection of an enrolled client, blocking.
pub struct DataConnection {
    /// Whom it comes from.
    pub peer: Arc<ClientPeer>,
    /// The connection itself.
    pub stream: StreamOwned<rustls::ServerConnection, ReadAhead<std::net::TcpStream>>,
    /// Its share of the connections that may be open.
    pub permit: tokio::sync::OwnedSemaphorePermit,
}

/// Who takes connections.
#[derive(Clone)]
pub struct Takers {
    /// Those that carry gRPC.
    pub control: mpsc::Sender<std::io::Result<ControlIo>>,
    /// Those that carry data.
    pub data: Arc<dyn Fn(DataConnection) + Send + Sync>,
    /// Those of browsers.
    pub web: Web,
}

/// Accepts connections until the receivers are gone.
pub async fn serve_port(listener: TcpListener, tls: Arc<rustls::ServerConfig>, takers: Takers) {
    let acceptor = TlsAcceptor::from(tls);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        let (tcp, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the peer was gone at once: neither is a reason to end.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if takers.control.is_closed() {
            return;
        }
        let (acceptor, takers) = (acceptor.clone(), takers.clone());
        tokio::spawn(async move {
            if let Err(error) = admit(acceptor, tcp, address, takers, permit).await {
                debug!(%address, %error, "a connection was dropped in its handshake");
            }
        });
    }
}

async fn admit(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
    takers: Takers,
    permit: tokio::sync::OwnedSemaphorePermit,
) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    keep_alive(&tcp)?;
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await??;
    let session = stream.get_ref().1;
    match session.alpn_protocol() {
        Some(wire::alpn::CONTROL) => {
            let peer = Peer::of(session.peer_certificates(), address);
            // It is bounded by what it may ask for, not by this permit.
            let _ = takers
                .control
                .send(Ok(ControlIo::Tls(Box::new(stream), peer)))
                .await;
        }
        Some(wire::alpn::DATA) => {
            let Peer::Client(peer) = Peer::of(session.peer_certificates(), address) else {
                warn!(%address, "a data connection without a client certificate was refused");
                return Ok(());
            };
            let (tcp, mut session) = stream.into_inner();
            session.set_buffer_limit(Some(BUFFER_BYTES));
            let tcp = tcp.into_std()?;
            tcp.set_nonblocking(false)?;
            tcp.set_write_timeout(Some(DATA_TIMEOUT))?;
            (takers.data)(DataConnection {
                peer,
                stream: StreamOwned::new(session, ReadAhead::new(tcp)),
                permit,
            });
        }
        // It has seen what it wanted to.
        Some(wire::alpn::ACME) => {
            let mut stream = stream;
            tokio::time::timeout(HANDSHAKE_TIMEOUT, stream.shutdown()).await??;
        }
        _ => {
            takers.web.serve(stream, address).await;
            drop(permit);
        }
    }
    Ok(())
}

/// Lets the kernel find out within about two minutes that a silent peer is gone.
fn keep_alive(tcp: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(tcp, true)?;
    sockopt::set_tcp_keepidle(tcp, Duration::from_secs(30))?;
    sockopt::set_tcp_keepintvl(tcp, Duration::from_secs(15))?;
    sockopt::set_tcp_keepcnt(tcp, 6)?;
    Ok(())
}
