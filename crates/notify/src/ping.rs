//! Pings: signs of life for a service that raises the alarm when they fail to come.
//!
//! The protocol is that of Healthchecks (healthchecks.io/docs/http_api, "Pinging API"): the address itself means success, `/start`,
//! `/fail` and `/log` beneath it the rest, and what is posted is kept as a log. Several other services take the same.

use std::time::Duration;

use crate::error::Result;
use crate::excerpt;
use crate::http::{Call, Client, Endpoint};
use crate::roots::Roots;

/// What servers of one's own keep of a log, if they are not told otherwise; healthchecks.io keeps ten times as much.
const MAX_LOG_BYTES: usize = 10_000;

/// What a ping needs.
#[derive(Debug, Clone)]
pub struct PingSettings {
    /// The address of the check, `http` or `https`.
    pub url: String,
    /// Authorities to trust besides the given roots, as PEM.
    pub authority_pem: Option<String>,
}

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Something begins; together with the next signal it gives a duration.
    Start,
    /// It went well.
    Success,
    /// It failed.
    Failure,
    /// There is something to note; the state of the check stays.
    Log,
}

/// A ping whose settings make sense.
#[derive(Clone)]
pub struct Ping {
    endpoint: Endpoint,
    client: Client,
}

impl Ping {
    /// Checks the settings.
    pub fn new(settings: &PingSettings, roots: &Roots) -> Result<Self> {
        Ok(Self {
            endpoint: Endpoint::parse(&settings.url)?,
            client: Client::new(&roots.with_setting(settings.authority_pem.as_deref())?),
        })
    }

    /// Sets how long a delivery may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.client.set_timeout(timeout);
        self
    }

    /// Gives a signal, with the end of a log unless it is empty.
    pub fn send(&self, signal: Signal, log: &str) -> Result<()> {
        let log = excerpt::tail(log, MAX_LOG_BYTES);
        let (headers, body) = match log.as_str() {
            "" => (&[] as &[_], None),
            log => (
                &[("Content-Type", "text/plain; charset=utf-8")] as &[_],
                Some(log),
            ),
        };
        self.client.make(&Call {
            endpoint: &self.endpoint_of(signal),
            headers,
            body,
            redaction: &self.endpoint.redaction(),
        })
    }

    fn endpoint_of(&self, signal: Signal) -> Endpoint {
        let suffix = match signal {
            Signal::Start => "/start",
            Signal::Success => return self.endpoint.clone(),
            Signal::Failure => "/fail",
            Signal::Log => "/log",
        };
        self.endpoint
            .with(|url| url.set_path(&format!("{}{suffix}", url.path().trim_end_matches('/'))))
    }
}

impl std::fmt::Debug for Ping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ping").field(&self.endpoint).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_suffixes_of_the_path() {
        let settings = PingSettings {
            url: "https://hc-ping.example/5bf66975/?create=1".into(),
            authority_pem: None,
        };
        let ping = Ping::new(&settings, &Roots::none()).expect("makes sense");
        let url = |signal| ping.endpoint_of(signal).url().to_string();
        assert_eq!(url(Signal::Success), "https://hc-ping.example/5bf66975/?create=1");
        assert_eq!(
            url(Signal::Start),
            "https://hc-ping.example/5bf66975/start?create=1"
        );
        assert_eq!(
            url(Signal::Failure),
            "https://hc-ping.example/5bf66975/fail?create=1"
        );
        assert_eq!(url(Signal::Log), "https://hc-ping.example/5bf66975/log?create=1");
    }
}
