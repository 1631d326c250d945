//! Logs: to stderr, to the journal with fields where stderr is the journal, or to a file; of a server also to those who watch it.
//!
//! What a server or client logs is among its settings. `PERENNIAL_LOG`, in the syntax of tracing-subscriber's `EnvFilter`, is for all
//! commands and goes before the configuration file, as variables do.

mod file;
mod journal;
#[cfg(feature = "server")]
mod live;

use anyhow::{Context as _, Result};
#[cfg(feature = "server")]
use server::LiveLog;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::cli::{Cli, ClientCommand, Command, GlobalArgs, LogFormat, ServerCommand};
use crate::config::{Component, FileFormat, Flags, LogSettings, Origin, Surroundings, resolve};
use crate::output::Console;
use crate::output::console::LogStream;

use file::LogFile;
#[cfg(feature = "server")]
use live::Live;

type Layer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

/// Where lines go besides.
#[derive(Default)]
pub struct Logging {
    /// The log file, if there is one: somebody has to open it anew when it was moved away.
    pub file: Option<LogFile>,
    /// What a server lets be watched.
    #[cfg(feature = "server")]
    pub live: LiveLog,
}

/// Starts logging as command line, environment and settings ask for.
pub fn start(cli: &Cli, surroundings: &Surroundings, console: &Console) -> Result<Logging> {
    let settings = settings(cli, surroundings)?;
    let filter = filter(settings.as_ref(), surroundings)?;
    let file = match settings.as_ref().and_then(|settings| settings.file.as_ref()) {
        Some(path) => Some(LogFile::open(path)?),
        None => None,
    };
    let layer = match (&file, &settings) {
        (Some(file), Some(settings)) => to_file(file, settings.file_format),
        _ => to_stderr(cli.global.log_format, surroundings, console),
    };
    #[cfg(feature = "server")]
    let live = LiveLog::default();
    #[cfg(feature = "server")]
    let layer: Layer = match &cli.command {
        Command::Server(_) => layer.and_then(Live(live.clone())).boxed(),
        _ => layer,
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    Ok(Logging {
        file,
        #[cfg(feature = "server")]
        live,
    })
}

fn to_file(file: &LogFile, format: FileFormat) -> Layer {
    let layer = fmt::layer().with_ansi(false).with_writer(file.clone());
    match format {
        FileFormat::Json => layer.json().boxed(),
        FileFormat::Text => layer.with_target(false).boxed(),
    }
}

fn to_stderr(format: LogFormat, surroundings: &Surroundings, console: &Console) -> Layer {
    let is_journal = journal::is_stderr(surroundings);
    if format == LogFormat::Text
        && is_journal
        && let Some(layer) = journal::layer()
    {
        return layer.boxed();
    }
    let bars = console.bars().clone();
    let layer = fmt::layer()
        .with_ansi(false)
        .with_writer(move || LogStream(bars.clone()));
    match format {
        LogFormat::Json => layer.json().boxed(),
        // The journal stamps each line.
        LogFormat::Text if is_journal => layer.with_target(false).without_time().boxed(),
        LogFormat::Text => layer.with_target(false).boxed(),
    }
}

/// How much is logged: what a flag says, or a variable, or the configuration file. Commands that end soon tell of errors only.
fn filter(settings: Option<&LogSettings>, surroundings: &Surroundings) -> Result<EnvFilter> {
    let variable = match surroundings.variable("PERENNIAL_LOG") {
        Some(text) => Some(text.to_str().context("PERENNIAL_LOG is not UTF-8")?),
        None => None,
    };
    let (text, origin) = match (settings, variable) {
        (Some(settings), Some(text)) if is_weaker(&settings.level_origin) => {
            (text, "PERENNIAL_LOG".to_owned())
        }
        (Some(settings), _) => (
            settings.level.as_str(),
            format!("log_level ({})", settings.level_origin),
        ),
        (None, Some(text)) => (text, "PERENNIAL_LOG".to_owned()),
        (None, None) => ("error", String::new()),
    };
    EnvFilter::try_new(text).with_context(|| format!("{origin} is no filter: {text:?}"))
}

/// Whether `PERENNIAL_LOG` goes before a value from there.
fn is_weaker(origin: &Origin) -> bool {
    matches!(origin, Origin::Default | Origin::File(..))
}

/// What is set for the logs of a command that stays.
fn settings(cli: &Cli, surroundings: &Surroundings) -> Result<Option<LogSettings>> {
    let Some((component, file, flags)) = service(&cli.command, &cli.global) else {
        return Ok(None);
    };
    let resolved = resolve(component, file.as_deref(), &flags, surroundings)?;
    Ok(Some(LogSettings::new(&resolved)?))
}

/// The component that a command runs, with the configuration file and the flags that it was given.
fn service(command: &Command, global: &GlobalArgs) -> Option<(Component, Option<std::path::PathBuf>, Flags)> {
    match command {
        #[cfg(feature = "server")]
        Command::Server(server) => {
            let given = match &server.command {
                None => &server.settings,
                Some(ServerCommand::Run { settings }) => settings,
                Some(_) => return None,
            };
            let flags = given
                .flags
                .clone()
                .with_default("state", global.server_state.as_ref());
            Some((Component::Server, given.file.clone(), flags))
        }
        Command::Client(client) => {
            let given = match &client.command {
                None => &client.settings,
                Some(ClientCommand::Run { settings }) => settings,
                Some(_) => return None,
            };
            let flags = given
                .flags
                .clone()
                .with_default("state", global.client_state.as_ref());
            Some((Component::Client, given.file.clone(), flags))
        }
        _ => None,
    }
}
