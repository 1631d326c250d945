//! `enroll`

use std::io::Read as _;

use anyhow::{Context as _, Result};
use client::{Before, ClientInfo, Wish};
use wire::token::Token;

use super::Context;
use crate::cli::EnrollArgs;
use crate::config::proxy;
use crate::failure::Outcome;

/// A token is far shorter; more on stdin is none.
const MAX_STDIN_BYTES: u64 = 64 << 10;

pub async fn run(context: &Context, args: EnrollArgs) -> Result<Outcome> {
    let text = if args.token == "-" {
        read_stdin().await?
    } else {
        args.token
    };
    let token = Token::parse(&text)?;
    let settings = context.client_settings()?;
    let (state, proxy) = (settings.path("state")?, proxy(&settings));
    let wish = Wish {
        name: args.name.as_deref(),
        proxy: proxy.as_ref(),
        before: if args.replace {
            Before::GivesWay
        } else {
            Before::Stays
        },
    };
    let identity = client::enrol(&token, &state, &client_info(), wish).await?;
    context.console().note(&format!(
        "Enrolled as {} with the server at {}.\nNow: perennial client --source PATH, or set sources in client.toml.",
        identity.name(),
        identity.server_address()
    ));
    Ok(Outcome::Done)
}

/// What this program tells a server about the machine.
pub fn client_info() -> ClientInfo {
    let system = rustix::system::uname();
    ClientInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operating_system: operating_system().unwrap_or_else(|| {
            format!(
                "{} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy()
            )
        }),
        host_name: machine_name(),
    }
}

/// This machine's own name, without its domain.
pub fn machine_name() -> String {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().into_owned();
    match name.split_once('.') {
        Some((host, _)) if !host.is_empty() => host.to_owned(),
        _ => name,
    }
}

// os-release(5)
fn operating_system() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\'']).to_owned()).filter(|name| !name.is_empty())
}

async fn read_stdin() -> Result<String> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(MAX_STDIN_BYTES)
            .read_to_string(&mut text)
            .map(|_| text)
    });
    reading.await?.context("can't read the token from stdin")
}
