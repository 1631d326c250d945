//! Making enrolment tokens.

use std::time::Duration;

use catalog::{NewToken, TokenHash};
use wire::token::Token;

use crate::core::Core;
use crate::error::{Error, Result};

/// How many clients may join with one token at most.
const MAX_USES: u32 = 10_000;
/// How many sources a token may name, and how long they may be together.
const MAX_SOURCES: usize = 100;
const MAX_SOURCES_BYTES: usize = 64 << 10;
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
    /// How many clients may join with it.
    pub uses: u32,
    /// What clients that are installed with it back up; none for what is usual.
    pub sources: Vec<String>,
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
    if request.uses == 0 || request.uses > MAX_USES {
        return Err(Error::Refused {
            why: "a token is for at least one client and at most 10000",
        });
    }
    if request.uses > 1 && request.client.is_some() {
        return Err(Error::Refused {
            why: "a token that is bound to a name is for one client",
        });
    }
    check_sources(&request.sources)?;
    let token = token_of(core, rand::random(), request.address.as_deref())?;
    let now_ms = core.clock.now_ms();
    let valid_ms = i64::try_from(request.valid.as_millis()).expect("30 days fit");
    let expires_ms = now_ms + valid_ms;
    core.catalog.create_token(&NewToken {
        hash: TokenHash::of(&token.secret),
        client: request.client.clone(),
        max_uses: request.uses,
        sources: request.sources.clone(),
        created_ms: now_ms,
        expires_ms,
    })?;
    Ok((token, expires_ms))
}

/// The token with this secret, for clients that dial this address or, without one, the server's own.
pub fn token_of(core: &Core, secret: [u8; 32], address: Option<&str>) -> Result<Token> {
    Ok(Token {
        authority_fingerprint: core.authority.fingerprint(),
        secret,
        address: self::address(core, address)?,
    })
}

fn check_sources(sources: &[String]) -> Result<()> {
    let len: usize = sources.iter().map(String::len).sum();
    let is_usable = |source: &String| source.starts_with('/') && !source.chars().any(char::is_control);
    if sources.len() > MAX_SOURCES || len > MAX_SOURCES_BYTES {
        return Err(Error::Refused {
            why: "these are too many sources",
        });
    }
    match sources.iter().find(|source| !is_usable(source)) {
        Some(source) => Err(Error::Invalid {
            why: format!("a source is an absolute path, without line breaks and the like: {source:?}"),
        }),
        None => Ok(()),
    }
}

/// The addresses that clients are told beside the one of their token. Those that are none are told in the log.
pub fn further_addresses(core: &Core) -> Vec<String> {
    let with_port = |address: &String| match self::address(core, Some(address)) {
        Ok(address) => Some(address),
        Err(error) => {
            tracing::warn!(error = %error.chain(), "an address that is advertised can't be told");
            None
        }
    };
    core.settings.advertise.iter().filter_map(with_port).collect()
}

/// The address for a token, always with a port.
fn address(core: &Core, asked: Option<&str>) -> Result<String> {
    let port = core.local_address.port();
    let address = match asked.or(core.settings.advertise.first().map(String::as_str)) {
        Some(address) => address.to_owned(),
        None if !core.local_address.ip().is_unspecified() => core.local_address.to_string(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    if address.len() > 240 {
        return Err(Error::Refused {
            why: "the address is too long",
        });
    }
    // It becomes part of commands.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]%".contains(&byte);
    if !address.bytes().all(is_plain) {
        return Err(Error::Invalid {
            why: format!("{address:?} is no address of a server"),
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
