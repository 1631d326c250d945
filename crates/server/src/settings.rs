//! What a server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use policy::settings::LayerOfSettings;

use crate::accounts::PasswordCost;
use crate::hooks::HookSettings;
use crate::live_log::LiveLog;
use crate::web_certificate::AcmeSettings;

/// Whether a server begins backups and cleanups by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduling {
    /// When they are due.
    On,
    /// Only when somebody asks for them.
    Off,
}

impl Scheduling {
    /// Whether it does.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// Where the certificate comes from that browsers are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WebCertificateSource {
    /// The server's own authority, which no browser knows.
    #[default]
    Own,
    /// Files, which are read again whenever they change.
    Files {
        /// The certificate and those that lead to its authority, PEM.
        certificate: PathBuf,
        /// Its key, PEM. May be the same file.
        key: PathBuf,
    },
    /// An ACME server.
    Acme(AcmeSettings),
}

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the catalog, the keys and the administration socket lie.
    pub state_dir: PathBuf,
    /// Where the backups lie. Created where it doesn't exist.
    pub storage_dir: PathBuf,
    /// Where to listen for clients.
    pub listen: SocketAddr,
    /// Where to answer scrapes of metrics, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The addresses that clients are told to dial, `host:port`, the one to try first in front; without one, the machine's host name and
    /// the port.
    pub advertise: Vec<String>,
    /// Further host names and addresses for the server's certificate.
    pub host_names: Vec<String>,
    /// Where the certificate comes from that browsers are shown.
    pub web_certificate: WebCertificateSource,
    /// The storage backend; without it, what probing finds.
    pub backend: Option<storage::BackendKind>,
    /// Whether large unchanged directories are pooled (hardlink storage only).
    pub pool: storage::Pooling,
    /// The `compression` property of new backups (btrfs only).
    pub compression: Option<storage::Compression>,
    /// What the server is started with of what can be set for clients: the layer below all that is set in the catalog.
    pub policy: LayerOfSettings,
    /// The commands that run around backups and after cleanups.
    pub hooks: HookSettings,
    /// Whether anything is begun by itself.
    pub scheduling: Scheduling,
    /// What hashing a user's password takes.
    pub password_cost: PasswordCost,
    /// What is written into the log; empty where nobody adds to it.
    pub log: LiveLog,
}

impl Settings {
    /// Settings with the defaults for all but the places.
    pub fn new(state_dir: PathBuf, storage_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            state_dir,
            storage_dir,
            listen,
            metrics_listen: None,
            advertise: Vec::new(),
            host_names: Vec::new(),
            web_certificate: WebCertificateSource::Own,
            backend: None,
            pool: storage::Pooling::On,
            compression: None,
            policy: LayerOfSettings::new(),
            hooks: HookSettings::default(),
            scheduling: Scheduling::On,
            password_cost: PasswordCost::default(),
            log: LiveLog::default(),
        }
    }

    /// The administration socket.
    pub fn admin_socket(&self) -> PathBuf {
        admin_socket(&self.state_dir)
    }
}

/// The administration socket of the server with this state directory.
pub fn admin_socket(state_dir: &std::path::Path) -> PathBuf {
    state_dir.join(wire::ADMIN_SOCKET)
}
