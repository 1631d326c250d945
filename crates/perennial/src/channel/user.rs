//! The way of a user: over TLS to a server whose authority is known by its fingerprint, with the token of a log-in or an API token.

use anyhow::{Context as _, Result};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::commands::{Context, secret_file};
use crate::config::{Fingerprint, LogIns};
use crate::failure::Failure;

/// The variable that has an API token.
const TOKEN_VARIABLE: &str = "PERENNIAL_TOKEN";
/// The variable that has the fingerprint of a server's authority.
const FINGERPRINT_VARIABLE: &str = "PERENNIAL_FINGERPRINT";

/// A connection whose calls carry the token of a user, where there is one.
pub type Authorized = InterceptedService<Channel, Bearer>;

/// The token that calls carry.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// No token: the connection says who calls.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether there is a token.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// This one.
    pub fn of(token: &str) -> Result<Self> {
        let value = format!("Bearer {}", token.trim());
        let mut value: MetadataValue<Ascii> = value.parse().context("this can't be a token")?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A server, and as whom it is called.
pub struct Remote {
    address: String,
    fingerprint: Fingerprint,
    token: String,
}

impl Remote {
    /// The server that the command line names.
    pub fn named(context: &Context) -> Result<Option<Self>> {
        let global = context.global();
        let Some(server) = &global.server else {
            return Ok(None);
        };
        let address = with_port(server);
        let known = LogIns::read(context.surroundings())?.of(&address).cloned();
        let fingerprint = match (global.fingerprint, &known) {
            (Some(given), _) => given,
            (None, Some(known)) => known.fingerprint,
            (None, None) => match variable(context, FINGERPRINT_VARIABLE) {
                Some(text) => text
                    .parse()
                    .map_err(|error| Failure::Usage(format!("${FINGERPRINT_VARIABLE}: {error}")))?,
                None => return Err(Failure::UnknownServer { address }.into()),
            },
        };
        let token = match given_token(context)? {
            Some(token) => token,
            None => match known {
                Some(known) => known.token,
                None => return Err(Failure::NotLoggedIn { address }.into()),
            },
        };
        Ok(Some(Self {
            address,
            fingerprint,
            token,
        }))
    }

    /// The server where somebody logged in last.
    pub fn logged_in(context: &Context) -> Result<Option<Self>> {
        let log_ins = LogIns::read(context.surroundings())?;
        Ok(log_ins.newest().map(|newest| Self {
            address: newest.server.clone(),
            fingerprint: newest.fingerprint,
            token: newest.token.clone(),
        }))
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Dials it.
    pub async fn open(&self) -> Result<(Channel, Bearer)> {
        let bearer = Bearer::of(&self.token)?;
        let channel = client::open_pinned(&self.address, None, self.fingerprint.0).await?;
        Ok((channel, bearer))
    }
}

/// An address with the usual port, where it names none.
pub fn with_port(address: &str) -> String {
    let has_port = address.parse::<std::net::SocketAddr>().is_ok()
        || address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.contains(':') && port.parse::<u16>().is_ok());
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(bare) => format!("[{bare}]:{}", wire::DEFAULT_PORT),
        Err(_) if has_port => address.to_owned(),
        Err(_) => format!("{address}:{}", wire::DEFAULT_PORT),
    }
}

fn given_token(context: &Context) -> Result<Option<String>> {
    match &context.global().token_file {
        Some(file) => secret_file::read_secret(file).map(Some),
        None => Ok(variable(context, TOKEN_VARIABLE)),
    }
}

fn variable(context: &Context, name: &str) -> Option<String> {
    let value = context.surroundings().variable(name)?;
    Some(value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_is_added() {
        for (given, dialled) in [
            ("backup.example", "backup.example:55414"),
            ("backup.example:1", "backup.example:1"),
            ("192.0.2.1", "192.0.2.1:55414"),
            ("2001:db8::1", "[2001:db8::1]:55414"),
            ("[2001:db8::1]:1", "[2001:db8::1]:1"),
        ] {
            assert_eq!(with_port(given), dialled);
        }
    }
}
