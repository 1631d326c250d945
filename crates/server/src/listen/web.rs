//! Connections of browsers, which are shown the web interface.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tower::{Layer as _, Service as _};
use tracing::debug;

use crate::core::Core;
use crate::services::{self, Gate};
use crate::trust::Peer;

/// How long a browser may take to say what it wants.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);

/// The web interface of a server.
#[derive(Clone)]
pub struct Web(axum::Router);

impl Web {
    /// What it shows and does goes through the same gate as the calls of programs.
    pub fn new(core: &Arc<Core>) -> Self {
        let services = Gate::new(core.clone()).layer(services::routes(core.clone()));
        let call = move |address: SocketAddr,
                         mut request: tonic::codegen::http::Request<tonic::body::Body>| {
            request.extensions_mut().insert(Peer::Anonymous(address));
            services.clone().call(request)
        };
        Self(web::router(web::Door::new(Arc::new(call))))
    }

    /// Answers a connection until it ends.
    pub async fn serve(self, stream: TlsStream<TcpStream>, address: SocketAddr) {
        let answering = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(web::Remote(address));
            self.0.clone().call(request)
        });
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_TIMEOUT);
        server
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_INTERVAL);
        if let Err(error) = server.serve_connection(TokioIo::new(stream), answering).await {
            debug!(%address, %error, "a browser's connection broke");
        }
    }
}
