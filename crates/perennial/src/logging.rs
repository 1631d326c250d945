//! Logs to stderr. `PERENNIAL_LOG` sets what is logged, in the syntax of tracing-subscriber's `EnvFilter`.

use anyhow::{Context as _, Result};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, ClientCommand, Command, LogFormat, ServerCommand};
use crate::config::Surroundings;
use crate::output::Console;
use crate::output::console::LogStream;

/// Starts logging as command line and environment ask for.
pub fn start(cli: &Cli, surroundings: &Surroundings, console: &Console) -> Result<()> {
    let filter = match surroundings.variable("PERENNIAL_LOG") {
        Some(text) => {
            let text = text.to_str().context("PERENNIAL_LOG is not UTF-8")?;
            EnvFilter::try_new(text).with_context(|| format!("PERENNIAL_LOG is no filter: {text:?}"))?
        }
        None => EnvFilter::new(default_filter(&cli.command)),
    };
    let bars = console.bars().clone();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(move || LogStream(bars.clone()));
    // Under systemd the journal stamps each line.
    let stamped = surroundings.variable("JOURNAL_STREAM").is_none();
    match (cli.global.log_format, stamped) {
        (LogFormat::Json, _) => builder.json().init(),
        (LogFormat::Text, true) => builder.with_target(false).init(),
        (LogFormat::Text, false) => builder.with_target(false).without_time().init(),
    }
    Ok(())
}

fn default_filter(command: &Command) -> &'static str {
    let service = match command {
        Command::Server(server) => matches!(server.command, None | Some(ServerCommand::Run { .. })),
        Command::Client(client) => matches!(client.command, None | Some(ClientCommand::Run { .. })),
        _ => false,
    };
    if service { "info" } else { "error" }
}
