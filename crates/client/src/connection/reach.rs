//! How the server is reached: by several addresses, which are tried in their order, and through a proxy where there is one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{DIAL_TIMEOUT, Proxy, dial};
use crate::error::{Error, Result, explain};

/// So long an address may take that others follow. Away from home the one at home often leads nowhere, without anybody saying so.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a server is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Its addresses, `host:port`, the one to try first in front. Never empty for a client that is enrolled.
    pub addresses: Vec<String>,
    /// The proxy that all of them are reached through.
    pub proxy: Option<Proxy>,
}

impl Reach {
    /// Dials one after the other until one answers as it should. Tells which did.
    pub(super) async fn dial(&self, config: &Arc<ClientConfig>) -> Result<(TlsStream<TcpStream>, &str)> {
        let mut failures = Vec::new();
        for (at, address) in self.addresses.iter().enumerate() {
            let is_last = at + 1 == self.addresses.len();
            let patience = if is_last { DIAL_TIMEOUT } else { PATIENCE };
            match dial(address, self.proxy.as_ref(), config.clone(), patience).await {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => failures.push(error),
            }
        }
        Err(self.all(failures))
    }

    /// What it means that none has answered as it should. As long as one might do so later, another try may help.
    fn all(&self, mut failures: Vec<Error>) -> Error {
        let waits = |error: &Error| matches!(error, Error::Unreachable { .. });
        let told: Vec<String> = failures.iter().map(|error| explain(error)).collect();
        match failures.len() {
            0 => Error::Protocol {
                what: "a server without address",
            },
            1 => failures.remove(0),
            _ if failures.iter().any(waits) => Error::Unreachable {
                address: self.addresses.join(", "),
                source: io::Error::other(told.join("; ")),
            },
            _ => failures.remove(0),
        }
    }
}
