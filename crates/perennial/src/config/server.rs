//! The server's settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use policy::settings::{Action, LayerOfSettings, Said};
use server::{AcmeSettings, HookCommands, HookSettings, WebCertificateSource};

use super::logs;
use super::setting::{Fallback, Kind, Setting};
use super::value::Value;
use super::{ConfigError, Origin, Resolved};

/// Every setting of the server.
pub const TABLE: &[Setting] = &[
    Setting {
        key: "state",
        kind: Kind::Path,
        fallback: Fallback::StateDir("server"),
        placeholder: "DIR",
        about: "Directory of catalog, keys and admin socket; best on an SSD",
    },
    Setting {
        key: "storage",
        kind: Kind::Path,
        fallback: Fallback::DataDir("storage"),
        placeholder: "DIR",
        about: "Directory that holds the backups",
    },
    Setting {
        key: "listen",
        kind: Kind::SocketAddress,
        fallback: Fallback::Text("0.0.0.0:55414"),
        placeholder: "ADDR:PORT",
        about: "Address and port to listen on",
    },
    Setting {
        key: "metrics_listen",
        kind: Kind::SocketAddress,
        fallback: Fallback::Unset,
        placeholder: "ADDR:PORT",
        about: "Address and port to answer Prometheus on, at /metrics, such as 127.0.0.1:9555; whoever can connect can read",
    },
    Setting {
        key: "advertise",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "HOST:PORT",
        about: "Address that clients are told to dial; by default the machine's name and the port listened on",
    },
    Setting {
        key: "host_names",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "NAME",
        about: "Further host name or address for the server's certificate, for browsers; may be given several times",
    },
    Setting {
        key: "web_certificate",
        kind: Kind::Path,
        fallback: Fallback::Unset,
        placeholder: "FILE",
        about: "PEM file with the certificate that browsers are shown, and those that lead to its authority; read again when it changes",
    },
    Setting {
        key: "web_key",
        kind: Kind::Path,
        fallback: Fallback::Unset,
        placeholder: "FILE",
        about: "PEM file with the key of that certificate; by default it is in the same file",
    },
    Setting {
        key: "acme_domains",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "NAME",
        about: "Name that a certificate for browsers is had for from an ACME server, whose terms are agreed to by that; may be given several times",
    },
    Setting {
        key: "acme_contact",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "ADDRESS",
        about: "Mail address that the ACME server may write to",
    },
    Setting {
        key: "acme_directory",
        kind: Kind::Text,
        fallback: Fallback::Text("https://acme-v02.api.letsencrypt.org/directory"),
        placeholder: "URL",
        about: "Address of the ACME server's directory; Let's Encrypt's by default",
    },
    Setting {
        key: "acme_root",
        kind: Kind::Path,
        fallback: Fallback::Unset,
        placeholder: "FILE",
        about: "PEM file with the authority of the ACME server's own certificate, for one of one's own; by default those that the system trusts",
    },
    Setting {
        key: "backend",
        kind: Kind::Choice(&["auto", "btrfs", "reflink", "hardlink"]),
        fallback: Fallback::Text("auto"),
        placeholder: "BACKEND",
        about: "How backups are kept: auto (by probing), btrfs, reflink or hardlink; fixed when a storage is created",
    },
    Setting {
        key: "pool",
        kind: Kind::Switch,
        fallback: Fallback::Text("true"),
        placeholder: "BOOL",
        about: "Whether the hardlink backend keeps large unchanged directories once, in a directory pool",
    },
    Setting {
        key: "btrfs_compression",
        kind: Kind::Choice(&["off", "zstd", "lzo", "zlib"]),
        fallback: Fallback::Text("off"),
        placeholder: "ALGORITHM",
        about: "Compression that btrfs applies to new backups: off, zstd, lzo or zlib",
    },
    Setting {
        key: "before_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server before the client begins a file backup; if it fails, there is no backup",
    },
    Setting {
        key: "after_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after a file backup was committed",
    },
    Setting {
        key: "failed_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after a file backup failed or was cancelled",
    },
    Setting {
        key: "before_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server before the client begins an image backup; if it fails, there is no backup",
    },
    Setting {
        key: "after_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after an image backup was committed",
    },
    Setting {
        key: "failed_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after an image backup failed or was cancelled",
    },
    Setting {
        key: "after_cleanup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after a cleanup",
    },
    Setting {
        key: "hook_timeout",
        kind: Kind::Interval,
        fallback: Fallback::Text("1h"),
        placeholder: "SPAN",
        about: "How long each of these commands may take; or off",
    },
    logs::LEVEL,
    logs::FILE,
    logs::FILE_FORMAT,
    Setting {
        key: "image_format",
        kind: Kind::Policy("image_format"),
        fallback: Fallback::Text("auto"),
        placeholder: "FORMAT",
        about: "What new images are kept in where extents can't be shared: auto (qcow2), qcow2, vhdx or vhd, with what differs from the image before; or raw, with all of it. Elsewhere they are raw and share extents",
    },
    Setting {
        key: "synthetic_disks",
        kind: Kind::Policy("synthetic_disks"),
        fallback: Fallback::Text("vhdx"),
        placeholder: "FORMATS",
        about: "Virtual disks that every image backup gets where extents can be shared: none, or any of raw, vhd, vhd-fixed, vhdx, qcow2, vmdk",
    },
    Setting {
        key: "incremental_interval",
        kind: Kind::Policy("incremental_interval"),
        fallback: Fallback::Text("5h"),
        placeholder: "SPAN",
        about: "Time from one file backup to the next incremental one",
    },
    Setting {
        key: "full_interval",
        kind: Kind::Policy("full_interval"),
        fallback: Fallback::Text("30d"),
        placeholder: "SPAN",
        about: "Time from one full file backup, which reads everything again, to the next",
    },
    Setting {
        key: "settings",
        kind: Kind::Policies,
        fallback: Fallback::Unset,
        placeholder: "KEY=VALUE",
        about: "Any of what \"perennial settings show\" lists, below what is set with \"perennial settings set\"; in the file a table, as a flag several times",
    },
];

/// Who chose a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is the default.
    Ours,
    /// File, environment or flag said so.
    Users,
}

/// The server's settings, typed.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Directory of catalog, keys and admin socket.
    pub state: PathBuf,
    /// Directory that holds the backups.
    pub storage: PathBuf,
    /// Whether somebody chose that directory. If its parent is missing then, something is not mounted.
    pub storage_choice: Choice,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Address to answer scrapes of metrics on, if any.
    pub metrics_listen: Option<SocketAddr>,
    /// Address that clients are told to dial.
    pub advertise: Option<String>,
    /// Further names for the certificate.
    pub host_names: Vec<String>,
    /// Where the certificate comes from that browsers are shown.
    pub web_certificate: WebCertificateSource,
    /// The storage backend; `None` for the one that probing finds.
    pub backend: Option<storage::BackendKind>,
    /// Whether directory pools are used.
    pub pooling: storage::Pooling,
    /// Compression of new btrfs subvolumes.
    pub btrfs_compression: Option<String>,
    /// Commands that run around backups and after cleanups.
    pub hooks: HookSettings,
    /// What holds for clients, below what is set in the catalog.
    pub policy: LayerOfSettings,
}

impl ServerConfig {
    /// Takes the values out of their layers.
    pub fn new(resolved: &Resolved) -> Result<Self, ConfigError> {
        Ok(Self {
            state: resolved.path("state")?,
            storage: resolved.path("storage")?,
            storage_choice: match resolved.origin("storage") {
                Origin::Default => Choice::Ours,
                _ => Choice::Users,
            },
            listen: resolved.socket_address("listen")?,
            metrics_listen: resolved.optional_socket_address("metrics_listen"),
            advertise: resolved.text("advertise"),
            host_names: resolved.list("host_names"),
            web_certificate: web_certificate(resolved)?,
            backend: backend(resolved),
            pooling: if resolved.is_on("pool") {
                storage::Pooling::On
            } else {
                storage::Pooling::Off
            },
            btrfs_compression: resolved.text("btrfs_compression").filter(|word| word != "off"),
            hooks: hooks(resolved),
            policy: policy_of(resolved),
        })
    }
}

/// Where the certificate for browsers comes from.
fn web_certificate(resolved: &Resolved) -> Result<WebCertificateSource, ConfigError> {
    let (certificate, key) = (
        resolved.optional_path("web_certificate")?,
        resolved.optional_path("web_key")?,
    );
    if let Some(acme) = acme(resolved)? {
        return match certificate {
            None => Ok(WebCertificateSource::Acme(acme)),
            Some(_) => Err(resolved.useless("acme_domains", "\"web_certificate\" is set too")),
        };
    }
    match (certificate, key) {
        (None, None) => Ok(WebCertificateSource::Own),
        (None, Some(_)) => Err(resolved.useless("web_key", "\"web_certificate\" is not set")),
        (Some(certificate), key) => Ok(WebCertificateSource::Files {
            key: key.unwrap_or_else(|| certificate.clone()),
            certificate,
        }),
    }
}

/// The ACME server to get a certificate from, if it is to be.
fn acme(resolved: &Resolved) -> Result<Option<AcmeSettings>, ConfigError> {
    let domains = resolved.list("acme_domains");
    if domains.is_empty() {
        let mut others = ["acme_contact", "acme_root"].into_iter();
        let useless = others.find(|key| *resolved.value(key) != Value::Unset);
        return match useless {
            Some(key) => Err(resolved.useless(key, "\"acme_domains\" is not set")),
            None => Ok(None),
        };
    }
    let domain = |text: &String| {
        let wanted = "names such as \"backup.example\", no addresses and no wildcards";
        AcmeSettings::domain(text).ok_or_else(|| resolved.unfit("acme_domains", text, wanted))
    };
    let contact = |text: String| {
        let wanted = "a mail address such as \"anna@example.org\"";
        AcmeSettings::contact(&text).ok_or_else(|| resolved.unfit("acme_contact", &text, wanted))
    };
    let directory = resolved.text("acme_directory").unwrap_or_default();
    let wanted = "an address such as \"https://acme.example/directory\"";
    Ok(Some(AcmeSettings {
        domains: domains.iter().map(domain).collect::<Result<_, _>>()?,
        contact: resolved.text("acme_contact").map(contact).transpose()?,
        directory: AcmeSettings::directory(&directory)
            .ok_or_else(|| resolved.unfit("acme_directory", &directory, wanted))?,
        root: resolved.optional_path("acme_root")?,
    }))
}

fn backend(resolved: &Resolved) -> Option<storage::BackendKind> {
    match resolved.text("backend").as_deref() {
        Some("btrfs") => Some(storage::BackendKind::Btrfs),
        Some("reflink") => Some(storage::BackendKind::Reflink),
        Some("hardlink") => Some(storage::BackendKind::Hardlink),
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
        after_cleanup: command("after_cleanup"),
        timeout: resolved.interval("hook_timeout"),
    }
}

/// What was given of the settings that `policy` has. Those with a flag of their own go before those in the table.
fn policy_of(resolved: &Resolved) -> LayerOfSettings {
    let said = |text: &str, origin: &Origin| Said {
        action: Action::Set,
        text: text.to_owned(),
        origin: origin.to_string(),
    };
    let mut layer = LayerOfSettings::new();
    for (setting, value, origin) in resolved.rows() {
        match (setting.kind, value) {
            (Kind::Policies, Value::Policies(settings)) => {
                for (key, text) in settings {
                    layer.entry(key.clone()).or_insert_with(|| said(text, origin));
                }
            }
            (Kind::Policy(key), Value::Text(text)) if *origin != Origin::Default => {
                layer.insert(key.to_owned(), said(text, origin));
            }
            _ => {}
        }
    }
    layer
}
