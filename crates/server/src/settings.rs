//! What a server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the catalog, the keys and the administration socket lie.
    pub state_dir: PathBuf,
    /// Where the backups lie. Created where it doesn't exist.
    pub storage_dir: PathBuf,
    /// Where to listen for clients.
    pub listen: SocketAddr,
    /// The address that new tokens tell clients to dial, `host:port`; without it, the machine's host name and the port.
    pub advertise: Option<String>,
    /// Further host names and addresses for the server's certificate.
    pub host_names: Vec<String>,
    /// The storage backend; without it, what probing finds.
    pub backend: Option<storage::BackendKind>,
    /// Whether large unchanged directories are pooled (hardlink storage only).
    pub pool: storage::Pooling,
    /// The `compression` property of new backups (btrfs only).
    pub compression: Option<storage::Compression>,
    /// What the volumes of new images are kept in, on a storage that can't share extents; without it, the best.
    pub image_format: Option<storage::VolumeFormat>,
    /// Which synthetic disks every image gets, on a storage that can share extents.
    pub synthetic_disks: Vec<disk_image::synthetic::Format>,
    /// Time between two incremental file backups of a client; without it the server starts none by itself.
    pub incremental_interval: Option<Duration>,
    /// Time between two full file backups of a client; without it only the first is full.
    pub full_interval: Option<Duration>,
}

impl Settings {
    /// Settings with the defaults for all but the places.
    pub fn new(state_dir: PathBuf, storage_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            state_dir,
            storage_dir,
            listen,
            advertise: None,
            host_names: Vec::new(),
            backend: None,
            pool: storage::Pooling::On,
            compression: None,
            image_format: None,
            synthetic_disks: vec![disk_image::synthetic::Format::Vhdx],
            incremental_interval: Some(Duration::from_secs(5 * 3600)),
            full_interval: Some(Duration::from_secs(30 * 24 * 3600)),
        }
    }

    /// The administration socket.
    pub fn admin_socket(&self) -> PathBuf {
        admin_socket(&self.state_dir)
    }
}

/// The administration socket of the server with this state directory.
pub fn admin_socket(state_dir: &std::path::Path) -> PathBuf {
    state_dir.join("admin.sock")
}
