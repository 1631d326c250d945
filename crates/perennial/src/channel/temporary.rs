//! A server inside this process, for the length of one command.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::commands::Context;
use crate::commands::server::{settings_of, start};
use crate::config::ServerConfig;

/// A server that lives as long as the command.
pub struct TemporaryServer {
    running: server::Running,
}

impl TemporaryServer {
    /// Starts the server whose files are on this machine; `None` where there are none.
    pub async fn start(context: &Context) -> Result<Option<Self>> {
        let config = ServerConfig::new(&context.server_settings()?)?;
        if !has_server(&config.state) {
            return Ok(None);
        }
        let mut settings = settings_of(&config);
        if settings.advertise.is_empty() {
            settings.advertise.push(dialled(config.listen));
        }
        // Nobody but this command is to reach it, and it is to start nothing by itself.
        if !config.listen.ip().is_loopback() {
            settings.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        }
        settings.scheduling = server::Scheduling::Off;
        settings.metrics_listen = None;
        settings.web_certificate = server::WebCertificateSource::Own;
        let state = config.state.display();
        let running = start(&config, settings)
            .await
            .with_context(|| format!("no server is running here, and the one in {state} can't be opened"))?;
        Ok(Some(Self { running }))
    }

    /// Ends it, after what it is doing.
    pub async fn end(self) {
        self.running.shut_down().await;
    }
}

/// Whether a server has its state in this directory.
pub fn has_server(state_dir: &Path) -> bool {
    state_dir.join("catalog.sqlite").exists()
}

fn dialled(listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        format!("{host}:{}", listen.port())
    } else {
        listen.to_string()
    }
}
