//! The client's settings.

use std::path::PathBuf;
use std::time::Duration;

use client::agent::RestoreSetting;
use client::{HookCommands, HookSettings, Proxy};

use super::logs;
use super::setting::{Fallback, Kind, Setting};
use super::source::SourceEntry;
use super::value::Value;
use super::{ConfigError, Resolved};

/// Every setting of the client.
pub const TABLE: &[Setting] = &[
    Setting {
        key: "state",
        kind: Kind::Path,
        fallback: Fallback::StateDir("client"),
        placeholder: "DIR",
        about: "Directory of the client's identity and its copies of manifests",
    },
    Setting {
        key: "dial",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "HOST:PORT",
        about: "Address of the server to dial before the one that it was enrolled with; several are tried in this order, such as the one at home first",
    },
    Setting {
        key: "proxy",
        kind: Kind::Proxy,
        fallback: Fallback::Unset,
        placeholder: "URL",
        about: "HTTP proxy to reach the server through: http://[USER:PASSWORD@]HOST:PORT",
    },
    Setting {
        key: "sources",
        kind: Kind::Sources,
        fallback: Fallback::Unset,
        placeholder: "SOURCE",
        about: "What is backed up: PATH, NAME=PATH or a TOML table; given several times for several",
    },
    Setting {
        key: "exclude",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "PATTERN",
        about: "Pattern in gitignore syntax of what is left out of every source",
    },
    Setting {
        key: "snapshots",
        kind: Kind::Snapshots,
        fallback: Fallback::Text("auto"),
        placeholder: "WHEN",
        about: "Whether sources, and volumes of images, are held still by a snapshot: auto (where it can be had), off or required",
    },
    Setting {
        key: "image_volumes",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "VOLUME",
        about: "What image backups hold: disks, devices, mount points, labels or files, given several times for several; all fixed disks if none is named",
    },
    Setting {
        key: "image_omit",
        kind: Kind::Words(&["swap", "hibernation"]),
        fallback: Fallback::Text("none"),
        placeholder: "CONTENT",
        about: "What image backups leave out: none, swap (swap space and page files) or hibernation (hibernation files)",
    },
    Setting {
        key: "image_freeze",
        kind: Kind::Interval,
        fallback: Fallback::Text("off"),
        placeholder: "SPAN",
        about: "For how long file systems may be frozen while they are read for an image, where there is no snapshot: whoever writes to them waits; or off",
    },
    Setting {
        key: "compression",
        kind: Kind::Compression,
        fallback: Fallback::Text("auto"),
        placeholder: "LEVEL",
        about: "Compression on the way to the server: auto (where it is faster), off or a zstd level",
    },
    Setting {
        key: "threads",
        kind: Kind::Count,
        fallback: Fallback::Text("0"),
        placeholder: "N",
        about: "Threads that walk and hash; 0 for one per core",
    },
    Setting {
        key: "restores",
        kind: Kind::Choice(&["ask", "allow", "refuse"]),
        fallback: Fallback::Text("ask"),
        placeholder: "WHETHER",
        about: "Whether the server may have files restored on this machine: ask (once somebody here confirms it), allow or refuse",
    },
    Setting {
        key: "before_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs before a file backup; if it fails, there is no backup",
    },
    Setting {
        key: "after_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs after a file backup was committed",
    },
    Setting {
        key: "failed_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs after a file backup failed or was cancelled",
    },
    Setting {
        key: "before_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs before an image backup; if it fails, there is no backup",
    },
    Setting {
        key: "after_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs after an image backup was committed",
    },
    Setting {
        key: "failed_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs after an image backup failed or was cancelled",
    },
    Setting {
        key: "after_snapshot",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs in every backup as soon as what it reads is held still",
    },
    Setting {
        key: "hook_timeout",
        kind: Kind::Interval,
        fallback: Fallback::Text("1h"),
        placeholder: "SPAN",
        about: "How long each of these commands may take, and the command of a stream may print nothing; or off",
    },
    logs::LEVEL,
    logs::FILE,
    logs::FILE_FORMAT,
];

/// The client's settings, typed.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Directory of identity and manifests.
    pub state: PathBuf,
    /// Addresses of the server to try before the one that is known from the enrolment.
    pub servers: Vec<String>,
    /// The proxy to reach it through.
    pub proxy: Option<Proxy>,
    /// What is backed up.
    pub sources: Vec<SourceEntry>,
    /// Patterns that apply to every source.
    pub exclude: Vec<String>,
    /// `auto`, `off` or `required`, for sources that don't say.
    pub snapshots: String,
    /// What image backups hold; nothing means all fixed disks.
    pub image_volumes: Vec<String>,
    /// What image backups leave out: `swap`, `hibernation`.
    pub image_omit: Vec<String>,
    /// How long file systems may be frozen; `None` for never.
    pub image_freeze: Option<Duration>,
    /// `auto`, `off` or a level.
    pub compression: String,
    /// Threads; 0 for one per core.
    pub threads: usize,
    /// Whether the server may have files restored.
    pub restores: RestoreSetting,
    /// Commands that run around backups.
    pub hooks: HookSettings,
}

impl ClientConfig {
    /// Takes the values out of their layers.
    pub fn new(resolved: &Resolved) -> Result<Self, ConfigError> {
        let sources = match resolved.value("sources") {
            Value::Sources(sources) => sources.clone(),
            _ => Vec::new(),
        };
        for (index, source) in sources.iter().enumerate() {
            if let Some(twin) = sources[..index].iter().find(|other| other.name == source.name) {
                return Err(ConfigError::DuplicateSource {
                    name: source.name.clone(),
                    first: twin.place(),
                    second: source.place(),
                });
            }
        }
        Ok(Self {
            state: resolved.path("state")?,
            servers: servers(resolved)?,
            proxy: proxy(resolved),
            sources,
            exclude: resolved.list("exclude"),
            snapshots: resolved.text("snapshots").unwrap_or_default(),
            image_volumes: resolved.list("image_volumes"),
            image_omit: resolved.list("image_omit"),
            image_freeze: resolved.interval("image_freeze"),
            compression: resolved.text("compression").unwrap_or_default(),
            threads: resolved.count("threads"),
            restores: resolved
                .text("restores")
                .and_then(|word| word.parse().ok())
                .unwrap_or_default(),
            hooks: hooks(resolved),
        })
    }
}

/// Further addresses of the server.
pub fn servers(resolved: &Resolved) -> Result<Vec<String>, ConfigError> {
    let servers = resolved.list("dial");
    let has_port = |address: &String| {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    };
    match servers.iter().find(|address| !has_port(address)) {
        Some(wrong) => Err(resolved.unfit("dial", wrong, "addresses such as \"backup.example:55414\"")),
        None => Ok(servers),
    }
}

/// The proxy to reach the server through.
pub fn proxy(resolved: &Resolved) -> Option<Proxy> {
    match resolved.value("proxy") {
        Value::Proxy(proxy) => Some(proxy.clone()),
        _ => None,
    }
}

/// The commands around backups; an empty one takes back what another layer has set.
fn hooks(resolved: &Resolved) -> HookSettings {
    let command = |key| resolved.text(key).filter(|command| !command.trim().is_empty());
    HookSettings {
        file: HookCommands {
            before: command("before_file_backup"),
            after: command("after_file_backup"),
            failed: command("failed_file_backup"),
        },
        image: HookCommands {
            before: command("before_image_backup"),
            after: command("after_image_backup"),
            failed: command("failed_image_backup"),
        },
        after_snapshot: command("after_snapshot"),
        timeout: resolved.interval("hook_timeout"),
    }
}
