//! The TCP port: accepts, does the TLS handshake, and hands each connection to whom ALPN says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::StreamOwned;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};
use wire::read_ahead::ReadAhead;

use crate::listen::ControlIo;
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

/// Accepts connections until the receivers are gone.
pub async fn serve_port(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    control: mpsc::Sender<std::io::Result<ControlIo>>,
    on_data: Arc<dyn Fn(DataConnection) + Send + Sync>,
) {
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
        if control.is_closed() {
            return;
        }
        let (acceptor, control, on_data) = (acceptor.clone(), control.clone(), on_data.clone());
        tokio::spawn(async move {
            if let Err(error) = admit(acceptor, tcp, address, control, on_data, permit).await {
                debug!(%address, %error, "a connection was dropped in its handshake");
            }
        });
    }
}

async fn admit(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
    control: mpsc::Sender<std::io::Result<ControlIo>>,
    on_data: Arc<dyn Fn(DataConnection) + Send + Sync>,
    permit: tokio::sync::OwnedSemaphorePermit,
) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    keep_alive(&tcp)?;
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(tcp)).await??;
    let session = stream.get_ref().1;
    let peer = Peer::of(session.peer_certificates(), address);
    if session.alpn_protocol() == Some(wire::alpn::DATA) {
        let Peer::Client(peer) = peer else {
            warn!(%address, "a data connection without a client certificate was refused");
            return Ok(());
        };
        let (tcp, mut session) = stream.into_inner();
        session.set_buffer_limit(Some(BUFFER_BYTES));
        let tcp = tcp.into_std()?;
        tcp.set_nonblocking(false)?;
        tcp.set_write_timeout(Some(DATA_TIMEOUT))?;
        on_data(DataConnection {
            peer,
            stream: StreamOwned::new(session, ReadAhead::new(tcp)),
            permit,
        });
    } else {
        // A control connection is bounded by what it may ask for, not by this permit.
        let _ = control.send(Ok(ControlIo::Tls(Box::new(stream), peer))).await;
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
