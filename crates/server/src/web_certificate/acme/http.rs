//! Requests to an ACME server.
//!
//! They are made by threads that may block. Proxies of the environment are not used.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use notify::Roots;
use tokio_util::bytes::Bytes;
use ureq::Agent;
use ureq::http::Request;

const TIMEOUT: Duration = Duration::from_secs(30);
/// A chain of certificates has some thousand bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Makes requests.
#[derive(Debug, Clone)]
pub struct Http(Agent);

impl Http {
    /// Talks to servers whose certificates come from these authorities.
    pub fn new(roots: &Roots) -> Self {
        let config = Agent::config_builder()
            .tls_config(roots.tls_config())
            .proxy(None)
            .https_only(true)
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("Perennial/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(config.into())
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let agent = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let body = body.to_bytes();
            let asking = tokio::task::spawn_blocking(move || ask(&agent, Request::from_parts(parts, body)));
            asking.await.map_err(|error| Error::Other(Box::new(error)))?
        })
    }
}

fn ask(agent: &Agent, request: Request<Bytes>) -> Result<BytesResponse, Error> {
    let failed = |error: ureq::Error| Error::Other(Box::new(error));
    let (parts, body) = request.into_parts();
    let answer = if body.is_empty() {
        agent.run(Request::from_parts(parts, ()))
    } else {
        agent.run(Request::from_parts(parts, &body[..]))
    };
    let (parts, body) = answer.map_err(failed)?.into_parts();
    let bytes = body.into_with_config().limit(MOST_BYTES).read_to_vec();
    Ok(BytesResponse {
        parts,
        body: Box::new(Bytes::from(bytes.map_err(failed)?)),
    })
}
