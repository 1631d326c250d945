//! A backup that this process makes itself, as the client of this machine.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use client::agent::{Agent, RestoreSetting, Restores, What};
use client::backup::Mode;
use client::source::LocalSource;
use client::{
    Alignment, Cache, Cancel, CompressionSetting, HookSettings, Identity, ImageSettings, Monitor, Settings,
    SnapshotSetting, SourceSettings, StreamSettings, StreamSourceSettings,
};
use wire::v1::Committed;

use super::monitor::TerminalMonitor;
use super::{enroll, hold_still};
use crate::config::{ClientConfig, SourceContent, SourceEntry, StreamEntry};
use crate::interrupt::Interrupt;
use crate::output::Console;

/// The settings as the client takes them.
pub fn settings_of(config: &ClientConfig) -> Settings {
    Settings {
        sources: config
            .sources
            .iter()
            .filter_map(|source| source_settings(source, config))
            .collect(),
        streams: config.sources.iter().filter_map(stream_settings).collect(),
        exclude: config.exclude.clone(),
        compression: compression(&config.compression),
        threads: config.threads,
        image: ImageSettings {
            volumes: config.image_volumes.clone(),
            omit_swap: config.image_omit.iter().any(|word| word == "swap"),
            omit_hibernation: config.image_omit.iter().any(|word| word == "hibernation"),
            snapshot: snapshot(&config.snapshots),
            freeze: config.image_freeze.and_then(hold_still::setting),
        },
        hooks: config.hooks.clone(),
        restores: config.restores,
    }
}

/// The client of this machine, ready to back up.
pub struct OwnClient {
    identity: Arc<Identity>,
    source: Arc<LocalSource>,
    cache: Arc<Cache>,
    image: ImageSettings,
    hooks: HookSettings,
    restores: RestoreSetting,
    compression: CompressionSetting,
    threads: Option<usize>,
}

impl OwnClient {
    /// Puts it together from its identity and its settings; what is to be backed up must be set.
    pub fn new(identity: Identity, settings: &Settings) -> Result<Self, client::Error> {
        if settings.sources.is_empty() && settings.streams.is_empty() && settings.image.volumes.is_empty() {
            return Err(client::Error::NoSources);
        }
        Ok(Self {
            source: Arc::new(LocalSource::new(settings)?),
            cache: Arc::new(Cache::open(identity.dir())?),
            identity: Arc::new(identity),
            image: settings.image.clone(),
            hooks: settings.hooks.clone(),
            restores: settings.restores,
            compression: settings.compression,
            threads: Some(settings.threads).filter(|threads| *threads > 0),
        })
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// An agent that tells `monitor` what happens and ends by `cancel`.
    pub fn agent(&self, monitor: Arc<dyn Monitor>, cancel: Cancel) -> Agent {
        Agent {
            identity: self.identity.clone(),
            source: self.source.clone(),
            cache: self.cache.clone(),
            image: self.image.clone(),
            hooks: self.hooks.clone(),
            restores: Arc::new(Restores::new(self.restores)),
            compression: self.compression,
            threads: self.threads,
            info: enroll::client_info(),
            monitor,
            cancel,
        }
    }

    /// Makes a backup now and shows how far it is. An interrupt cancels it; the server keeps what it has for the next.
    pub async fn back_up(
        &self,
        console: &Console,
        mode: Mode,
        what: What,
        interrupt: &Interrupt,
    ) -> Result<Committed> {
        let monitor = Arc::new(TerminalMonitor::start(console));
        let cancel = Cancel::new();
        let agent = self.agent(monitor.clone(), cancel.clone());
        let running = agent.run_once(mode, what);
        tokio::pin!(running);
        let committed = tokio::select! {
            committed = &mut running => committed,
            () = interrupt.asked() => {
                cancel.cancel();
                running.await
            }
        };
        monitor.finish();
        committed.context("the backup failed")
    }

    /// Stays connected and does what the server asks for, until an interrupt.
    pub async fn serve(&self, monitor: Arc<dyn Monitor>, interrupt: &Interrupt) {
        let cancel = Cancel::new();
        let agent = self.agent(monitor, cancel.clone());
        let running = agent.run();
        tokio::pin!(running);
        tokio::select! {
            () = &mut running => {}
            () = interrupt.asked() => {
                cancel.cancel();
                running.await;
            }
        }
    }
}

fn source_settings(entry: &SourceEntry, config: &ClientConfig) -> Option<SourceSettings> {
    let base = SourceSettings::new(entry.name.clone(), entry.path()?);
    Some(SourceSettings {
        optional: entry.optional.unwrap_or(base.optional),
        one_filesystem: entry.one_filesystem.unwrap_or(base.one_filesystem),
        snapshot: snapshot(entry.snapshots.as_ref().unwrap_or(&config.snapshots)),
        exclude: entry.exclude.clone(),
        include: entry.include.clone(),
        cachedir_tag: entry.cachedir_tag.unwrap_or(base.cachedir_tag),
        ignore_file: entry.ignore_file.clone(),
        may_become_empty: entry.may_become_empty.unwrap_or(base.may_become_empty),
        ..base
    })
}

fn stream_settings(entry: &SourceEntry) -> Option<StreamSourceSettings> {
    let SourceContent::Streams(streams) = &entry.content else {
        return None;
    };
    let stream = |(name, stream): (&String, &StreamEntry)| StreamSettings {
        name: name.clone(),
        command: stream.command.clone(),
        alignment: if stream.align {
            Alignment::Blocks
        } else {
            Alignment::Off
        },
    };
    Some(StreamSourceSettings {
        name: entry.name.clone(),
        streams: streams.iter().map(stream).collect(),
    })
}

// The words are checked where the configuration is read.
fn snapshot(word: &str) -> SnapshotSetting {
    match word {
        "off" => SnapshotSetting::Off,
        "required" => SnapshotSetting::Required,
        _ => SnapshotSetting::Auto,
    }
}

fn compression(word: &str) -> CompressionSetting {
    match word {
        "off" => CompressionSetting::Off,
        word => word
            .parse()
            .map_or(CompressionSetting::Auto, CompressionSetting::Level),
    }
}
