//! The settings of server and client that are about their logs.

use std::path::PathBuf;

use super::setting::{Fallback, Kind, Setting};
use super::{ConfigError, Origin, Resolved};

/// How much is logged.
pub const LEVEL: Setting = Setting {
    key: "log_level",
    kind: Kind::Text,
    fallback: Fallback::Text("info"),
    placeholder: "LEVEL",
    about: "How much is logged: error, warn, info, debug, or by module, such as info,server=debug",
};

/// Where it is logged.
pub const FILE: Setting = Setting {
    key: "log_file",
    kind: Kind::Path,
    fallback: Fallback::Unset,
    placeholder: "FILE",
    about: "File to log to instead of stderr or the journal; appended to, and opened anew on SIGHUP",
};

/// How it looks there.
pub const FILE_FORMAT: Setting = Setting {
    key: "log_file_format",
    kind: Kind::Choice(&["text", "json"]),
    fallback: Fallback::Text("text"),
    placeholder: "FORMAT",
    about: "What the log file holds: text, or json, an object per line",
};

/// What a server or client logs, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// How much, in the syntax of tracing-subscriber's `EnvFilter`.
    pub level: String,
    /// Who said so.
    pub level_origin: Origin,
    /// The file, if it is one.
    pub file: Option<PathBuf>,
    /// What that holds.
    pub file_format: FileFormat,
}

/// What a log file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogSettings {
    /// Takes the values out of their layers.
    pub fn new(resolved: &Resolved) -> Result<Self, ConfigError> {
        Ok(Self {
            level: resolved.text(LEVEL.key).unwrap_or_default(),
            level_origin: resolved.origin(LEVEL.key).clone(),
            file: resolved.optional_path(FILE.key)?,
            file_format: match resolved.text(FILE_FORMAT.key).as_deref() {
                Some("json") => FileFormat::Json,
                _ => FileFormat::Text,
            },
        })
    }
}
