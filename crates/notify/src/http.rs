//! One request over HTTP, and what became of it.
//!
//! Redirects are not followed: a webhook's message and key belong to the host that was named and to no other. Proxies of the
//! environment are not used. Of an answer no more is read than is shown.

use std::fmt;
use std::io::Read as _;
use std::time::Duration;

use ureq::http::{Method, Request, Response, header};
use ureq::{Agent, Body};
use url::Url;

use crate::TIMEOUT;
use crate::error::{Error, Result, UrlFault};
use crate::roots::Roots;
use crate::secret::Redaction;

const MAX_REPLY_BYTES: u64 = 4096;
const MAX_REPLY_HEADER_BYTES: usize = 16 * 1024;
/// Shorter parts of a path are words, not keys.
const MIN_KEY_BYTES: usize = 8;

/// Where requests go. Only scheme, host and port are shown: the rest may be a key.
#[derive(Clone)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let fault = |fault| Error::Url { fault };
        let url = Url::parse(text.trim()).map_err(|_| fault(UrlFault::Syntax))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fault(UrlFault::Scheme));
        }
        // The two libraries do not agree on every character.
        let is_known = url.as_str().parse::<ureq::http::Uri>().is_ok();
        if is_known {
            Ok(Self(url))
        } else {
            Err(fault(UrlFault::Syntax))
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut Url)) -> Self {
        let mut url = self.0.clone();
        change(&mut url);
        Self(url)
    }

    /// Returns scheme, host and port, the latter if it is not the usual one.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Returns what must not be shown of it.
    pub(crate) fn redaction(&self) -> Redaction {
        let url = &self.0;
        let parts = url.query().into_iter().flat_map(|query| query.split(['&', '=']));
        let keys = url.path().split('/').chain(parts).chain([url.path()]);
        let mut redaction = Redaction::default();
        for key in keys.filter(|key| key.len() >= MIN_KEY_BYTES) {
            redaction.hide(key);
        }
        redaction.hide(url.password().unwrap_or_default());
        redaction
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin())
    }
}

/// A request: one that gets, unless it has a body to post.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a str>,
    pub(crate) redaction: &'a Redaction,
}

/// What makes calls.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    timeout: Duration,
}

impl Client {
    pub(crate) fn new(roots: &Roots) -> Self {
        let config = Agent::config_builder()
            .tls_config(roots.tls_config())
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .max_response_header_size(MAX_REPLY_HEADER_BYTES)
            .user_agent(concat!("Perennial/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            timeout: TIMEOUT,
        }
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Makes a call. Any answer but 2xx is an error.
    pub(crate) fn make(&self, call: &Call) -> Result<()> {
        let method = if call.body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Request::builder().method(method).uri(call.endpoint.0.as_str());
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let sent = match call.body {
            Some(body) => request
                .body(body.as_bytes())
                .map_err(ureq::Error::from)
                .and_then(|request| self.run(request)),
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| self.run(request)),
        };
        let server = call.endpoint.origin();
        let answer = sent.map_err(|error| sort(&server, error))?;
        judge(server, answer, call.redaction)
    }

    fn run<B: ureq::AsSendBody>(&self, request: Request<B>) -> Result<Response<Body>, ureq::Error> {
        let request = self
            .agent
            .configure_request(request)
            .timeout_global(Some(self.timeout))
            .build();
        self.agent.run(request)
    }
}

/// Tells whether a text can be the value of a header.
pub(crate) fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}

fn judge(server: String, answer: Response<Body>, redaction: &Redaction) -> Result<()> {
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let text_of = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    if status.is_redirection() {
        let base = Url::parse(&server).ok();
        let target = text_of(header::LOCATION).and_then(|location| base?.join(location).ok());
        return Err(Error::Redirected {
            server,
            status: status.as_u16(),
            target: target.map_or_else(|| "nowhere".into(), |url| url.origin().ascii_serialization()),
        });
    }
    // The date that the header may hold instead is of no use without a clock.
    let retry_after_s = text_of(header::RETRY_AFTER).and_then(|text| text.trim().parse::<u64>().ok());
    let mut reply = Vec::new();
    // An answer that breaks off is as good as its beginning.
    let _ = answer
        .into_body()
        .into_reader()
        .take(MAX_REPLY_BYTES)
        .read_to_end(&mut reply);
    Err(Error::Http {
        server,
        status: status.as_u16(),
        reply: redaction.line(&String::from_utf8_lossy(&reply)),
        retry_after_ms: retry_after_s.map(|seconds| seconds.saturating_mul(1000)),
    })
}

/// Sorts what went wrong. Only what can't hold the address is quoted.
fn sort(server: &str, error: ureq::Error) -> Error {
    let protocol = |reason: String| Error::Protocol {
        server: server.into(),
        reason,
    };
    match error {
        ureq::Error::Io(error) => Error::from_io(server, error),
        ureq::Error::Timeout(_) => Error::TimedOut {
            server: server.into(),
        },
        ureq::Error::Rustls(source) => Error::Tls {
            server: server.into(),
            source,
        },
        ureq::Error::HostNotFound => Error::from_io(server, std::io::Error::other("no such host")),
        ureq::Error::Protocol(error) => protocol(error.to_string()),
        ureq::Error::LargeResponseHeader(..) => protocol("too long a header".into()),
        ureq::Error::BodyStalled => protocol("an incomplete answer".into()),
        _ => protocol("not HTTP".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_other_kinds_are_refused() {
        for (text, wanted) in [
            ("", UrlFault::Syntax),
            ("hooks.example/T0", UrlFault::Syntax),
            ("https://", UrlFault::Syntax),
            ("ftp://hooks.example", UrlFault::Scheme),
            ("file:///etc/passwd", UrlFault::Scheme),
        ] {
            match Endpoint::parse(text) {
                Err(Error::Url { fault }) => assert_eq!(fault, wanted, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_endpoint_shows_its_origin_only() {
        let endpoint =
            Endpoint::parse("https://user:pass@hooks.example:8443/T0/secret?key=1").expect("a URL");
        assert_eq!(format!("{endpoint:?}"), "https://hooks.example:8443/…");
    }

    #[test]
    fn header_values_are_visible_ascii() {
        assert!(is_header_value("tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"));
        for text in ["", "a b", "a\r\nB: c", "ä"] {
            assert!(!is_header_value(text), "{text:?}");
        }
    }
}
