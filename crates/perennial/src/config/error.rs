//! What can be wrong with a configuration, always with the place where it was said.

use std::io;
use std::path::PathBuf;

use super::Origin;

/// A configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("can't read the configuration file {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: toml::de::Error,
    },
    /// The file with this user's log-ins could not be used.
    #[error("can't {action} the log-ins in {}", path.display())]
    LogIns {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no such setting.
    #[error("unknown setting \"{key}\" in {origin}{}", did_you_mean(nearest))]
    UnknownKey {
        /// The key that was given.
        key: String,
        /// Where.
        origin: Origin,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A setting has a value that it does not take.
    #[error("\"{key}\" in {origin} can't be {found}: it takes {expected}")]
    Value {
        /// The setting.
        key: String,
        /// Where the value was given.
        origin: Origin,
        /// The value.
        found: String,
        /// What would be taken.
        expected: String,
    },
    /// A setting is of no use, as others are.
    #[error("\"{key}\" in {origin} is of no use: {why}")]
    Useless {
        /// The setting.
        key: &'static str,
        /// Where it was set.
        origin: Origin,
        /// Why.
        why: &'static str,
    },
    /// Two sources have one name.
    #[error("two sources are called \"{name}\": {first} and {second}")]
    DuplicateSource {
        /// The name.
        name: String,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A value is needed and nothing sets it.
    #[error("\"{key}\" is not set, and there is no home directory to derive it from")]
    Missing {
        /// The setting.
        key: &'static str,
        /// Its flag.
        flag: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean \"{nearest}\"?"),
        None => String::new(),
    }
}

/// The name among `known` that looks most like `given`, if any is near.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let given = given.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&given, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name.to_owned())
}
