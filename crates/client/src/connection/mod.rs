//! Connections to the server: one for control (gRPC over HTTP/2) and, per job, several for data.
//!
//! The control connection does not dial again by itself: who uses it notices its end and decides when to try
//! again.

mod data;
mod pinned;
mod proxy;
mod reach;
pub(crate) mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use wire::v1::backups_client::BackupsClient;
use wire::v1::control_client::ControlClient;
use wire::v1::images_client::ImagesClient;
use wire::v1::planning_client::PlanningClient;
use wire::v1::settings_client::SettingsClient;

pub use data::{Breaker, DataConnection, DataDialler};
pub use pinned::{open_pinned, shown_fingerprint};
pub use proxy::Proxy;
pub use reach::Reach;

use crate::error::{Error, Result};
use crate::identity::Identity;

const DIAL_TIMEOUT: Duration = Duration::from_secs(20);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How much may be on its way on one stream, so that a long link is filled.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A control connection of an enrolled client.
#[derive(Clone)]
pub struct Connection {
    channel: Channel,
    identity: Arc<Identity>,
    dialler: DataDialler,
}

impl Connection {
    /// Dials the server of `identity`.
    ///
    /// Fails with [`Error::Unreachable`] or, where something else answers there, [`Error::Untrusted`].
    pub async fn open(identity: Arc<Identity>) -> Result<Self> {
        let config = Arc::new(tls::enrolled(&identity, wire::alpn::CONTROL)?);
        let (stream, address) = identity.reach().dial(&config).await?;
        // Data goes the way that control has found.
        let dialler = DataDialler::new(&identity, address)?;
        let channel = channel_over(stream, address).await?;
        Ok(Self {
            channel,
            identity,
            dialler,
        })
    }

    /// Who this client is.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// The connection itself, for any service.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The service for making, reading and managing backups.
    pub fn backups(&self) -> BackupsClient<Channel> {
        BackupsClient::new(self.channel.clone())
            .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// The service for settings.
    pub fn settings(&self) -> SettingsClient<Channel> {
        SettingsClient::new(self.channel.clone())
    }

    /// The service for what will happen by itself.
    pub fn planning(&self) -> PlanningClient<Channel> {
        PlanningClient::new(self.channel.clone())
    }

    /// The service for images on their way to the server.
    pub fn images(&self) -> ImagesClient<Channel> {
        ImagesClient::new(self.channel.clone())
            .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// The service through which the server commands.
    pub fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone())
            .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(wire::MAX_MESSAGE_BYTES)
    }

    /// What opens data connections to the same server, from any thread.
    pub fn dialler(&self) -> &DataDialler {
        &self.dialler
    }
}

/// Dials `address`, through a proxy if there is one, and shakes hands; both within `patience`.
pub(crate) async fn dial(
    address: &str,
    proxy: Option<&Proxy>,
    config: Arc<ClientConfig>,
    patience: Duration,
) -> Result<TlsStream<TcpStream>> {
    let unreachable = |source| Error::Unreachable {
        address: address.to_owned(),
        source,
    };
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let dialled = tokio::time::timeout(patience, async {
        let stream = connect(address, proxy).await.map_err(unreachable)?;
        let handshake = TlsConnector::from(config).connect(server_name(), stream);
        handshake
            .await
            .map_err(|source| untrusted_or_unreachable(address, source))
    });
    dialled
        .await
        .map_err(|elapsed| unreachable(timed_out(elapsed)))
        .flatten()
}

async fn connect(address: &str, proxy: Option<&Proxy>) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(proxy.map_or(address, Proxy::address)).await?;
    stream.set_nodelay(true)?;
    if let Some(proxy) = proxy {
        proxy.lead(&mut stream, address).await?;
    }
    Ok(stream)
}

/// Tells a peer that TLS does not accept from a connection that broke.
pub(crate) fn untrusted_or_unreachable(address: &str, source: io::Error) -> Error {
    let address = address.to_owned();
    match source.kind() {
        io::ErrorKind::InvalidData => Error::Untrusted { address, source },
        _ => Error::Unreachable { address, source },
    }
}

/// Speaks HTTP/2 over a stream that is connected already.
pub(crate) async fn channel_over(stream: TlsStream<TcpStream>, address: &str) -> Result<Channel> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream
            .take()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        std::future::ready(stream)
    });
    // The scheme says nothing: the stream is encrypted already, and tonic is built without TLS of its own.
    let uri = Uri::builder()
        .scheme("http")
        .authority(wire::SERVER_NAME)
        .path_and_query("/")
        .build()
        .expect("all parts are constants");
    Endpoint::from(uri)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect_with_connector(connector)
        .await
        .map_err(|source| Error::Unreachable {
            address: address.to_owned(),
            source: io::Error::other(source),
        })
}

/// The name that every server's certificate carries.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(wire::SERVER_NAME).expect("a constant that is a valid name")
}
