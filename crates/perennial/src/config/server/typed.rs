//! The server's settings as the server takes them.

use std::net::SocketAddr;
use std::path::PathBuf;

use policy::settings::{Action, LayerOfSettings, Said};
use server::{AcmeSettings, HookCommands, HookSettings, WebCertificateSource};

use crate::config::setting::Kind;
use crate::config::value::Value;
use crate::config::{ConfigError, Origin, Resolved};

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
    pub advertise: Vec<String>,
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
            advertise: resolved.list("advertise"),
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
