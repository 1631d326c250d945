//! One source of the client's configuration: a plain path, `NAME=PATH`, or a table with all that can be said of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::nearest;
use super::setting::Kind;
use super::value::{Mismatch, Value};

const KEYS: &[&str] = &[
    "name",
    "path",
    "optional",
    "one_filesystem",
    "snapshots",
    "exclude",
    "include",
    "cachedir_tag",
    "ignore_file",
    "may_become_empty",
];

/// What a source that is made of commands takes.
const STREAM_KEYS: &[&str] = &["name", "streams"];

/// What a source is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceContent {
    /// A directory.
    Path(PathBuf),
    /// The output of commands, by the names of the files that it becomes.
    Streams(BTreeMap<String, StreamEntry>),
}

/// The output of a command as it was configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamEntry {
    /// The command.
    pub command: String,
    /// Whether it is cut by its content and put into blocks.
    pub align: bool,
}

/// A source as it was configured; what was not said is for the client to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceEntry {
    /// The directory's name inside the backup.
    pub name: String,
    /// What is in it.
    #[serde(flatten)]
    pub content: SourceContent,
    /// Whether it is no problem if the directory is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
    /// Whether other file systems mounted beneath are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_filesystem: Option<bool>,
    /// `auto`, `off` or `required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<String>,
    /// Patterns of what is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Patterns of what alone is backed up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Whether directories with a `CACHEDIR.TAG` are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cachedir_tag: Option<bool>,
    /// Name of files in the source that hold further patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_file: Option<String>,
    /// Whether the source may turn up empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_become_empty: Option<bool>,
}

impl SourceEntry {
    /// A source of which only name and path are said.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::of(name.into(), SourceContent::Path(path.into()))
    }

    fn of(name: String, content: SourceContent) -> Self {
        Self {
            name,
            content,
            optional: None,
            one_filesystem: None,
            snapshots: None,
            exclude: Vec::new(),
            include: Vec::new(),
            cachedir_tag: None,
            ignore_file: None,
            may_become_empty: None,
        }
    }

    /// Reads a source from a string (`PATH` or `NAME=PATH`) or a table.
    pub fn from_toml(value: &toml::Value) -> Result<Self, Mismatch> {
        match value {
            toml::Value::String(text) => Self::from_text(text),
            toml::Value::Table(table) => Self::from_table(table),
            other => Err(Mismatch::new(
                other.to_string(),
                "a path, NAME=PATH or a table with a path",
            )),
        }
    }

    /// The source on one line, for people.
    pub fn display(&self) -> String {
        match self.path() {
            Some(path) if self.name == default_name(path) => path.display().to_string(),
            _ => format!("{}={}", self.name, self.place()),
        }
    }

    /// The directory, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.content {
            SourceContent::Path(path) => Some(path),
            SourceContent::Streams(_) => None,
        }
    }

    /// Where its content comes from, for people.
    pub fn place(&self) -> String {
        match &self.content {
            SourceContent::Path(path) => path.display().to_string(),
            SourceContent::Streams(streams) => {
                let names: Vec<&str> = streams.keys().map(String::as_str).collect();
                format!("output of commands ({})", names.join(", "))
            }
        }
    }

    fn from_text(text: &str) -> Result<Self, Mismatch> {
        let (name, path) = match text.split_once('=') {
            // A path may hold "=" itself; a name holds no slash.
            Some((name, path)) if !name.contains('/') => (name.to_owned(), Path::new(path)),
            _ => (default_name(Path::new(text)), Path::new(text)),
        };
        checked(Self::new(name, path))
    }

    fn from_table(table: &toml::Table) -> Result<Self, Mismatch> {
        if let Some(streams) = table.get("streams") {
            check_keys(table, "a source with streams", STREAM_KEYS)?;
            let name = text(table, "name")?;
            let name = name.ok_or_else(|| Mismatch::new("a source with streams", "a \"name\" for it"))?;
            return checked(Self::of(name, SourceContent::Streams(read_streams(streams)?)));
        }
        check_keys(table, "a source", KEYS)?;
        let path = text(table, "path")?.ok_or_else(|| {
            Mismatch::new(
                table.to_string().trim().replace('\n', ", "),
                "a table with a path, or with streams",
            )
        })?;
        let snapshot = text(table, "snapshot")?;
        if snapshot
            .as_deref()
            .is_some_and(|word| !matches!(word, "auto" | "off" | "required"))
        {
            return Err(unlike(table, "snapshots", "auto, off or required"));
        }
        checked(Self {
            name: text(table, "name")?.unwrap_or_else(|| default_name(Path::new(&path))),
            content: SourceContent::Path(path.into()),
            optional: switch(table, "optional")?,
            one_filesystem: switch(table, "one_filesystem")?,
            snapshots: snapshots(table)?,
            exclude: list(table, "exclude")?,
            include: list(table, "include")?,
            cachedir_tag: switch(table, "cachedir_tag")?,
            ignore_file: text(table, "ignore_file")?,
            may_become_empty: switch(table, "may_become_empty")?,
        })
    }
}

/// The name of a source that was given none: the last component of its path.
pub fn default_name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn check_keys(table: &toml::Table, what: &str, known: &[&str]) -> Result<(), Mismatch> {
    let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let like = nearest(key, known.iter().copied());
    let hint = like
        .map(|like| format!("; did you mean \"{like}\"?"))
        .unwrap_or_default();
    Err(Mismatch::new(
        format!("{what} with the unknown key \"{key}\"{hint}"),
        format!("only {}", known.join(", ")),
    ))
}

/// Reads commands by the names of their files: a text, or a table with what more can be said.
fn read_streams(value: &toml::Value) -> Result<BTreeMap<String, StreamEntry>, Mismatch> {
    let table = value.as_table().filter(|table| !table.is_empty());
    let table = table.ok_or_else(|| {
        Mismatch::new(
            format!("a source with streams = {value}"),
            "a table such as { \"all.sql\" = \"pg_dumpall\" } for \"streams\"",
        )
    })?;
    let read = |(name, value): (&String, &toml::Value)| {
        if !is_file_name(name) {
            return Err(Mismatch::new(
                format!("a stream called \"{name}\""),
                "a name that can be a file's",
            ));
        }
        let stream = match value {
            toml::Value::String(command) => StreamEntry {
                command: command.clone(),
                align: false,
            },
            toml::Value::Table(table) => {
                check_keys(table, "a stream", &["command", "align"])?;
                StreamEntry {
                    command: text(table, "command")?.unwrap_or_default(),
                    align: switch(table, "align")?.unwrap_or_default(),
                }
            }
            _ => {
                return Err(Mismatch::new(
                    format!("the stream \"{name}\" = {value}"),
                    "a command",
                ));
            }
        };
        if stream.command.trim().is_empty() {
            return Err(Mismatch::new(
                format!("the stream \"{name}\" without a command"),
                "a command",
            ));
        }
        Ok((name.clone(), stream))
    };
    table.iter().map(read).collect()
}

fn checked(entry: SourceEntry) -> Result<SourceEntry, Mismatch> {
    if let Some(path) = entry.path()
        && !path.is_absolute()
    {
        return Err(Mismatch::new(
            format!("\"{}\"", path.display()),
            "an absolute path",
        ));
    }
    if is_file_name(&entry.name) {
        Ok(entry)
    } else {
        Err(Mismatch::new(
            format!("a source called \"{}\"", entry.name),
            "a name that can be a directory's",
        ))
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !matches!(name, "." | "..") && !name.contains(['/', '\0'])
}

fn text(table: &toml::Table, key: &str) -> Result<Option<String>, Mismatch> {
    let read = |value: &toml::Value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| unlike(table, key, "a text"))
    };
    table.get(key).map(read).transpose()
}

fn switch(table: &toml::Table, key: &str) -> Result<Option<bool>, Mismatch> {
    let read = |value: &toml::Value| value.as_bool().ok_or_else(|| unlike(table, key, "true or false"));
    table.get(key).map(read).transpose()
}

fn snapshots(table: &toml::Table) -> Result<Option<String>, Mismatch> {
    let Some(value) = table.get("snapshots") else {
        return Ok(None);
    };
    match Kind::Snapshots.read_toml(value) {
        Ok(Value::Text(word)) => Ok(Some(word)),
        _ => Err(unlike(table, "snapshots", "\"auto\", \"off\" or \"required\"")),
    }
}

fn list(table: &toml::Table, key: &str) -> Result<Vec<String>, Mismatch> {
    let wrong = || unlike(table, key, "a list of texts");
    let Some(value) = table.get(key) else {
        return Ok(Vec::new());
    };
    let items = value.as_array().ok_or_else(wrong)?;
    items
        .iter()
        .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
        .collect()
}

fn unlike(table: &toml::Table, key: &str, expected: &str) -> Mismatch {
    Mismatch::new(
        format!("a source with {key} = {}", table[key]),
        format!("{expected} for \"{key}\""),
    )
}
