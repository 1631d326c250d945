//! Writes down what this run chose, where every other command finds it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::config::{ClientConfig, STATE_FILE, ServerConfig, SourceEntry};

const HEADING: &str =
    "# Written by \"perennial quickstart\", and again at each run. A configuration file elsewhere wins.\n";

#[derive(Serialize)]
struct ServerFile<'a> {
    storage: &'a Path,
    listen: SocketAddr,
}

#[derive(Serialize)]
struct ClientFile<'a> {
    exclude: &'a [String],
    sources: &'a [SourceEntry],
}

/// Writes the settings of both halves into their state directories.
pub fn settings(server: &ServerConfig, listen: SocketAddr, client: &ClientConfig) -> Result<()> {
    write(
        &server.state.join(STATE_FILE),
        &ServerFile {
            storage: &server.storage,
            listen,
        },
    )?;
    write(
        &client.state.join(STATE_FILE),
        &ClientFile {
            exclude: &client.exclude,
            sources: &client.sources,
        },
    )
}

fn write(path: &Path, settings: &impl Serialize) -> Result<()> {
    let text = match toml::to_string(settings) {
        Ok(text) => HEADING.to_owned() + &text,
        // A path that is not UTF-8 has no form in TOML: then nothing is written down.
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "the settings could not be written down");
            return Ok(());
        }
    };
    let temporary: PathBuf = path.with_extension("toml.new");
    std::fs::write(&temporary, text)
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| format!("can't write {}", path.display()))
}
