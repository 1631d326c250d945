//! What a client backs up, and how: plain values that the binary fills from its configuration.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::RestoreSetting;

/// How this client makes its backups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What is backed up.
    pub sources: Vec<SourceSettings>,
    /// Commands whose output is backed up.
    pub streams: Vec<StreamSourceSettings>,
    /// Patterns in gitignore syntax that apply to every source.
    pub exclude: Vec<String>,
    /// Whether content is compressed on its way.
    pub compression: CompressionSetting,
    /// Threads that walk and hash; 0 for one per core.
    pub threads: usize,
    /// What image backups hold.
    pub image: ImageSettings,
    /// Commands that run around backups.
    pub hooks: HookSettings,
    /// Whether the server may have files restored.
    pub restores: RestoreSetting,
}

/// Commands that run around backups, with the client's rights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookSettings {
    /// Around file backups.
    pub file: HookCommands,
    /// Around image backups.
    pub image: HookCommands,
    /// Runs in both as soon as the sources are held still.
    pub after_snapshot: Option<String>,
    /// How long each may take; `None` for as long as it likes.
    pub timeout: Option<Duration>,
}

/// Commands that run around backups of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookCommands {
    /// Before anything is held still; if it fails, there is no backup.
    pub before: Option<String>,
    /// After the backup was committed.
    pub after: Option<String>,
    /// After a try that led to no backup.
    pub failed: Option<String>,
}

/// What image backups hold, where whoever starts one says nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageSettings {
    /// Disks, devices, mount points, labels, files, or `all`; nothing means `all`.
    pub volumes: Vec<String>,
    /// Whether the content of swap space and page files is left out.
    pub omit_swap: bool,
    /// Whether the content of hibernation files is left out.
    pub omit_hibernation: bool,
    /// Whether volumes that are written to are held still by a snapshot. What is required may be a freeze as well.
    pub snapshot: SnapshotSetting,
    /// Whether file systems may be frozen for as long as they are read, where there is no snapshot.
    pub freeze: Option<FreezeSetting>,
}

/// How file systems are frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeSetting {
    /// For how long at most.
    pub limit: Duration,
    /// The program that does it, and thaws them when this process is gone.
    pub program: PathBuf,
    /// Its arguments, to which the limit in seconds and a path on the file system are added.
    pub arguments: Vec<String>,
}

/// One directory tree that is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// The directory's name inside the backup.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is no problem if the directory is missing.
    #[serde(default)]
    pub optional: bool,
    /// Whether other file systems mounted beneath are left out.
    #[serde(default = "enabled")]
    pub one_filesystem: bool,
    /// Whether the source is held still by a snapshot.
    #[serde(default)]
    pub snapshot: SnapshotSetting,
    /// Patterns in gitignore syntax of what is left out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Patterns in gitignore syntax; where there are any, only what matches one is backed up. They are best anchored
    /// (`/etc/ssh`): one without a slash is looked for at the top of the source only.
    #[serde(default)]
    pub include: Vec<String>,
    /// Whether the contents of directories with a valid `CACHEDIR.TAG` are left out.
    #[serde(default = "enabled")]
    pub cachedir_tag: bool,
    /// Name of files in the source that hold further patterns, such as `.backupignore`.
    #[serde(default)]
    pub ignore_file: Option<String>,
    /// Whether the source may be empty although the last backup of it was not and the directory is another.
    #[serde(default)]
    pub may_become_empty: bool,
}

/// A source whose files are the output of commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSourceSettings {
    /// The directory's name inside the backup.
    pub name: String,
    /// Its files.
    pub streams: Vec<StreamSettings>,
}

/// A file that is the output of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSettings {
    /// The file's name; in a backup an aligned one has [`crate::aligned::SUFFIX`] added.
    pub name: String,
    /// What `/bin/sh` runs.
    pub command: String,
    /// How its content is laid out in the backup.
    #[serde(default)]
    pub alignment: Alignment,
}

/// How the content of a stream is laid out in the backup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alignment {
    /// As it came: every byte at its own offset.
    #[default]
    Off,
    /// Cut by its content and put into blocks, so that what was there before is not sent and stored again although it has moved.
    Blocks,
}

impl SourceSettings {
    /// The settings for `path` as `name`, all else by default.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            optional: false,
            one_filesystem: true,
            snapshot: SnapshotSetting::default(),
            exclude: Vec::new(),
            include: Vec::new(),
            cachedir_tag: true,
            ignore_file: None,
            may_become_empty: false,
        }
    }
}

/// Whether a source is held still by a snapshot of its file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotSetting {
    /// Where the file system can; otherwise it goes on without, and says so.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Without a snapshot the backup fails.
    Required,
}

/// Whether content is compressed on its way to the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CompressionSetting {
    /// Where the connection is slower than compressing.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always, by zstd at this level.
    Level(i32),
}

fn enabled() -> bool {
    true
}
