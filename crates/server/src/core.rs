//! What all parts of a running server share.

use std::sync::Arc;

use catalog::Catalog;
use storage::Store;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::housekeeping::Housekeeping;
use crate::jobs::{Attached, Board};
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::trust::Authority;

/// The parts of a running server.
pub struct Core {
    /// As it was started.
    pub settings: Settings,
    /// Which clients, tokens, backups and jobs there are.
    pub catalog: Arc<Catalog>,
    /// Where the backups lie.
    pub store: Arc<Store>,
    /// Who signs certificates.
    pub authority: Authority,
    /// Open jobs.
    pub board: Board,
    /// Connected clients.
    pub attached: Attached,
    /// What data connections belong to.
    pub sessions: Arc<Sessions>,
    /// Work that can wait.
    pub housekeeping: Housekeeping,
    /// The time.
    pub clock: Clock,
    /// Set when the server is to end.
    pub shutdown: CancellationToken,
    /// The address that the port is bound to.
    pub local_address: std::net::SocketAddr,
}

impl Core {
    /// Where a backup's tree lies.
    pub fn location(&self, backup: &catalog::Backup) -> std::path::PathBuf {
        self.settings.storage_dir.join(&backup.client).join(&backup.name)
    }
}
