//! The port: plain HTTP, one path.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, error, warn};

use super::{exposition, figures};
use crate::core::Core;

const PATH: &str = "/metrics";
/// Connections that are served at once; others wait.
const AT_ONCE: usize = 16;
/// How long a peer may take to say what it wants.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Answers scrapes until the server ends.
pub async fn serve(core: Arc<Core>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let core = core.clone();
                tokio::spawn(async move {
                    let served = tokio::time::timeout(CONNECTION_TIMEOUT, converse(core, stream));
                    if served.await.is_err() {
                        debug!("a connection for metrics lasted too long");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "a connection for metrics could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn converse(core: Arc<Core>, stream: TcpStream) {
    let answering = service_fn(move |request| answer(core.clone(), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answering);
    if let Err(error) = served.await {
        debug!(%error, "a connection for metrics broke");
    }
}

async fn answer(core: Arc<Core>, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if request.uri().path() != PATH {
        return Ok(plain(StatusCode::NOT_FOUND, "there is nothing but /metrics\n"));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        refused
            .headers_mut()
            .insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    let gathered = tokio::task::spawn_blocking(move || figures::gather(&core)).await;
    Ok(match gathered {
        Ok(Ok(text)) => {
            let mut response = Response::new(text);
            let kind = hyper::header::HeaderValue::from_static(exposition::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Ok(Err(failed)) => {
            error!(error = failed.chain(), "the metrics could not be gathered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "see the server's log\n")
        }
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the server ends\n"),
    })
}

fn plain(status: StatusCode, text: &str) -> Response<String> {
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    response
}
