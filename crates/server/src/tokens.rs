//! Making enrolment tokens.

use std::time::Duration;

use catalog::{NewToken, TokenHash};
use wire::token::Token;

use crate::core::Core;
use crate::error::{Error, Result};

/// Longest time for which a token may be valid.
const MAX_VALID: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a token is to be like.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The address for the client to dial, `host:port`; without it, the server's own.
    pub address: Option<String>,
    /// The only client name that may use it.
    pub client: Option<String>,
    /// How long it is good for.
    pub valid: Duration,
}

/// Makes a token. Returns it with the time at which it expires; only its hash is kept.
pub fn create(core: &Core, request: &TokenRequest) -> Result<(Token, i64)> {
    if let Some(client) = &request.client {
        client.parse::<storage::ClientName>()?;
    }
    if request.valid.is_zero() || request.valid > MAX_VALID {
        return Err(Error::Refused {
            why: "a token is valid for at least a second and at most 30 days",
        });
    }
    let token = Token {
        authority_fingerprint: core.authority.fingerprint(),
        secret: rand::random(),
        address: address(core, request.address.as_deref())?,
    };
    let now_ms = core.clock.now_ms();
    let valid_ms = i64::try_from(request.valid.as_millis()).expect("30 days fit");
    let expires_ms = now_ms + valid_ms;
    core.catalog.create_token(&NewToken {
        hash: TokenHash::of(&token.secret),
        client: request.client.clone(),
        created_ms: now_ms,
        expires_ms,
    })?;
    Ok((token, expires_ms))
}

/// The address for a token, always with a port.
fn address(core: &Core, asked: Option<&str>) -> Result<String> {
    let port = core.local_address.port();
    let address = match asked.or(core.settings.advertise.as_deref()) {
        Some(address) => address.to_owned(),
        None if !core.local_address.ip().is_unspecified() => core.local_address.to_string(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    if address.len() > 240 {
        return Err(Error::Refused {
            why: "the address is too long",
        });
    }
    let has_port = address.parse::<std::net::SocketAddr>().is_ok()
        || address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.contains(':') && port.parse::<u16>().is_ok());
    Ok(match address.parse::<std::net::Ipv6Addr>() {
        Ok(bare) => format!("[{bare}]:{port}"),
        Err(_) if has_port => address,
        Err(_) => format!("{address}:{port}"),
    })
}
