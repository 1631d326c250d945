//! Puts the layers on top of each other and remembers where each value came from.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::nearest;
use super::setting::{Component, Fallback, Setting};
use super::value::{Mismatch, Value};
use super::{ConfigError, Flags, Surroundings};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing set it.
    Default,
    /// A configuration file, at this line (from 1).
    File(PathBuf, usize),
    /// An environment variable.
    Environment(String),
    /// A flag, without its dashes.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "${name}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// A configuration file in the state directory, which counts where there is no other. `quickstart` writes it, so that
/// what it began can be looked at and gone on with by the other commands.
pub const STATE_FILE: &str = "settings.toml";

/// All values of a component.
#[derive(Debug, Clone)]
pub struct Resolved {
    component: Component,
    values: BTreeMap<&'static str, (Value, Origin)>,
}

impl Resolved {
    /// The value of a setting. Asking for a key that is not in the table is a mistake in this program.
    pub fn value(&self, key: &'static str) -> &Value {
        &self.entry(key).0
    }

    /// Where the value of a setting came from.
    pub fn origin(&self, key: &'static str) -> &Origin {
        &self.entry(key).1
    }

    /// All settings with their values, in the table's order.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Setting, &Value, &Origin)> {
        self.component.table().iter().map(|setting| {
            let (value, origin) = self.entry(setting.key);
            (setting, value, origin)
        })
    }

    /// The path that a setting holds.
    pub fn path(&self, key: &'static str) -> Result<PathBuf, ConfigError> {
        match self.value(key) {
            Value::Path(path) => std::path::absolute(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            }),
            _ => Err(self.missing(key)),
        }
    }

    /// The path that a setting holds, if it is set.
    pub fn optional_path(&self, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        match self.value(key) {
            Value::Path(_) => self.path(key).map(Some),
            _ => Ok(None),
        }
    }

    /// The text that a setting holds, if any.
    pub fn text(&self, key: &'static str) -> Option<String> {
        match self.value(key) {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// Whether a switch is on.
    pub fn is_on(&self, key: &'static str) -> bool {
        matches!(self.value(key), Value::Switch(true))
    }

    /// The span of time that a setting holds; `None` where it is off.
    pub fn interval(&self, key: &'static str) -> Option<Duration> {
        match self.value(key) {
            Value::Interval(span) => Some(*span),
            _ => None,
        }
    }

    /// The number that a setting holds.
    pub fn count(&self, key: &'static str) -> usize {
        match self.value(key) {
            Value::Count(count) => usize::try_from(*count).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// The texts that a setting holds.
    pub fn list(&self, key: &'static str) -> Vec<String> {
        match self.value(key) {
            Value::List(items) => items.clone(),
            _ => Vec::new(),
        }
    }

    /// The address that a setting holds.
    pub fn socket_address(&self, key: &'static str) -> Result<SocketAddr, ConfigError> {
        match self.value(key) {
            Value::SocketAddress(address) => Ok(*address),
            _ => Err(self.missing(key)),
        }
    }

    /// The address that a setting holds, if it is set.
    pub fn optional_socket_address(&self, key: &'static str) -> Option<SocketAddr> {
        match self.value(key) {
            Value::SocketAddress(address) => Some(*address),
            _ => None,
        }
    }

    /// The error that a setting can't be of use.
    pub fn useless(&self, key: &'static str, why: &'static str) -> ConfigError {
        ConfigError::Useless {
            key,
            origin: self.origin(key).clone(),
            why,
        }
    }

    /// The error that a setting does not take what it holds.
    pub fn unfit(&self, key: &'static str, found: &str, expected: &str) -> ConfigError {
        ConfigError::Value {
            key: key.to_owned(),
            origin: self.origin(key).clone(),
            found: format!("\"{found}\""),
            expected: expected.to_owned(),
        }
    }

    fn missing(&self, key: &'static str) -> ConfigError {
        let setting = self.component.setting(key).expect("the key is in the table");
        ConfigError::Missing {
            key,
            flag: setting.flag(),
        }
    }

    fn entry(&self, key: &'static str) -> &(Value, Origin) {
        self.values.get(key).expect("every key of the table has a value")
    }
}

/// Resolves all values of a component. `file` is a configuration file that was named; otherwise the usual places are
/// looked at, at last in the state directory, and it is no error if there is none.
pub fn resolve(
    component: Component,
    file: Option<&Path>,
    flags: &Flags,
    surroundings: &Surroundings,
) -> Result<Resolved, ConfigError> {
    let mut upper = from_environment(component, surroundings)?;
    for (setting, texts) in flags.given(component) {
        let origin = Origin::Flag(setting.flag());
        upper.insert(setting.key, read(setting, &texts, origin)?);
    }
    let mut values = Layer::new();
    for setting in component.table() {
        values.insert(setting.key, (fallback(setting, surroundings)?, Origin::Default));
    }
    let in_state = match upper.get("state").or(values.get("state")) {
        Some((Value::Path(state), _)) => Some(state.join(STATE_FILE)),
        _ => None,
    };
    values.extend(from_file(component, file, in_state, surroundings)?);
    values.extend(upper);
    Ok(Resolved { component, values })
}

type Layer = BTreeMap<&'static str, (Value, Origin)>;

fn fallback(setting: &Setting, surroundings: &Surroundings) -> Result<Value, ConfigError> {
    Ok(match setting.fallback {
        Fallback::Unset => Value::Unset,
        Fallback::StateDir(name) => surroundings.state_dir(name).map_or(Value::Unset, Value::Path),
        Fallback::DataDir(name) => surroundings.data_dir(name).map_or(Value::Unset, Value::Path),
        Fallback::Text(text) => read(setting, &[OsStr::new(text)], Origin::Default)?.0,
    })
}

fn from_environment(component: Component, surroundings: &Surroundings) -> Result<Layer, ConfigError> {
    let mut known: BTreeMap<String, Option<&'static Setting>> = component
        .table()
        .iter()
        .map(|setting| (component.variable(setting), Some(setting)))
        .collect();
    known.insert(component.file_variable(), None);
    let mut layer = Layer::new();
    let prefix = component.variable_prefix();
    for name in surroundings.variables_with_prefix(&prefix) {
        let origin = Origin::Environment(name.to_owned());
        let Some(entry) = known.get(name) else {
            let nearest = nearest(name, known.keys().map(String::as_str));
            return Err(ConfigError::UnknownKey {
                key: name.to_owned(),
                origin,
                nearest,
            });
        };
        if let (Some(setting), Some(text)) = (entry, surroundings.variable(name)) {
            layer.insert(setting.key, read(setting, &[text], origin)?);
        }
    }
    Ok(layer)
}

fn from_file(
    component: Component,
    named: Option<&Path>,
    in_state: Option<PathBuf>,
    surroundings: &Surroundings,
) -> Result<Layer, ConfigError> {
    let variable = surroundings.variable(&component.file_variable()).map(Path::new);
    let Some((path, text)) = find_file(component, named.or(variable), in_state, surroundings)? else {
        return Ok(Layer::new());
    };
    let syntax = |source| ConfigError::Syntax {
        path: path.clone(),
        source,
    };
    let table: toml::Table = toml::from_str(&text).map_err(syntax)?;
    let lines = key_lines(&text).map_err(syntax)?;
    let mut layer = Layer::new();
    for (key, value) in &table {
        let line = lines.get(key).copied().unwrap_or(1);
        let origin = Origin::File(path.clone(), line);
        let Some(setting) = component.setting(key) else {
            let nearest = nearest(key, component.table().iter().map(|setting| setting.key));
            return Err(ConfigError::UnknownKey {
                key: key.clone(),
                origin,
                nearest,
            });
        };
        let value = setting
            .kind
            .read_toml(value)
            .map_err(|wrong| mismatch(setting, &origin, wrong))?;
        layer.insert(setting.key, (value, origin));
    }
    Ok(layer)
}

fn find_file(
    component: Component,
    named: Option<&Path>,
    in_state: Option<PathBuf>,
    surroundings: &Surroundings,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    if let Some(path) = named {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        return Ok(Some((path.to_owned(), text)));
    }
    for path in surroundings
        .config_files(component.name())
        .into_iter()
        .chain(in_state)
    {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(error) if is_none(error.kind()) => {}
            Err(source) => return Err(ConfigError::Read { path, source }),
        }
    }
    Ok(None)
}

// Somebody else's configuration, such as root's, is none.
fn is_none(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

fn key_lines(text: &str) -> Result<BTreeMap<String, usize>, toml::de::Error> {
    let document = toml::de::DeTable::parse(text)?;
    let line = |offset: usize| {
        1 + text
            .as_bytes()
            .iter()
            .take(offset)
            .filter(|byte| **byte == b'\n')
            .count()
    };
    let keys = document.get_ref().keys();
    Ok(keys
        .map(|key| (key.get_ref().clone().into_owned(), line(key.span().start)))
        .collect())
}

fn read(setting: &Setting, texts: &[&OsStr], origin: Origin) -> Result<(Value, Origin), ConfigError> {
    match setting.kind.read_texts(texts) {
        Ok(value) => Ok((value, origin)),
        Err(wrong) => Err(mismatch(setting, &origin, wrong)),
    }
}

fn mismatch(setting: &Setting, origin: &Origin, wrong: Mismatch) -> ConfigError {
    ConfigError::Value {
        key: setting.key.to_owned(),
        origin: origin.clone(),
        found: wrong.found,
        expected: wrong.expected,
    }
}
