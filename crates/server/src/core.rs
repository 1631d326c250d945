//! What all parts of a running server share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::Catalog;
use storage::{BackupKind, BackupName, BackupTree, ClientName};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::checking::Checking;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::installing::Builds;
use crate::jobs::{Attached, Board};
use crate::moving::Moving;
use crate::policies::Policies;
use crate::restore::asked::AskedRestores;
use crate::schedule::Schedule;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::storages::{OpenStorage, Storages};
use crate::telling::Teller;
use crate::telling::stands::LastStands;
use crate::trust::Authority;
use crate::web_certificate::WebCertificate;

/// How long to wait for what housekeeping has in use.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Tries again, blocking, while the storage says that something is in use.
pub fn with_patience<T>(mut work: impl FnMut() -> storage::Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match work() {
            Err(storage::Error::Busy { .. }) if begun.elapsed() < PATIENCE => std::thread::sleep(LOOK_AGAIN),
            done => return Ok(done?),
        }
    }
}

/// The parts of a running server.
pub struct Core {
    /// As it was started.
    pub settings: Settings,
    /// Which clients, tokens, backups and jobs there are.
    pub catalog: Arc<Catalog>,
    /// Where the backups lie.
    pub storages: Storages,
    /// Who signs certificates.
    pub authority: Authority,
    /// What browsers are shown of certificates.
    pub web_certificate: Arc<WebCertificate>,
    /// The programs that installers bring.
    pub builds: Builds,
    /// Users, and what they may do.
    pub accounts: Accounts,
    /// What is set for clients.
    pub policies: Policies,
    /// Read while it is chosen which storage a backup goes to, written while a client is led to another.
    pub placing: parking_lot::RwLock<()>,
    /// When backups are to be checked again.
    pub checking: Checking,
    /// Moves of clients to other storages.
    pub moving: Moving,
    /// Held while the catalog is being copied.
    pub copying: parking_lot::Mutex<()>,
    /// What waits for its turn.
    pub schedule: Schedule,
    /// Open jobs.
    pub board: Arc<Board>,
    /// Connected clients.
    pub attached: Attached,
    /// What clients are asked to restore.
    pub asked_restores: AskedRestores,
    /// What data connections belong to.
    pub sessions: Arc<Sessions>,
    /// Whom is told what.
    pub teller: Arc<Teller>,
    /// How the clients stood when somebody asked last.
    pub last_stands: LastStands,
    /// The time.
    pub clock: Clock,
    /// When the server was started.
    pub started_ms: i64,
    /// Set when the server is to end.
    pub shutdown: CancellationToken,
    /// Where asynchronous work is begun from blocking threads.
    pub runtime: tokio::runtime::Handle,
    /// The address that the port is bound to.
    pub local_address: std::net::SocketAddr,
}

impl Core {
    /// Opens a committed backup for reading, blocking. Waits a little where housekeeping has it for a moment.
    pub fn open_backup(&self, backup: &catalog::Backup) -> Result<BackupTree> {
        let (client, name): (ClientName, BackupName) = (backup.client.parse()?, backup.name.parse()?);
        let storage = self.storages.of(backup)?;
        with_patience(|| storage.store.open_backup(&client, &name))
    }

    /// The storage that a client's new backups go to.
    pub fn storage_for(&self, client: &str) -> Result<Arc<OpenStorage>> {
        self.storages.named(&self.policies.of(client).storage)
    }

    /// The name for a backup that begins now: the minute in the server's zone, with a number where that is taken. A number that
    /// has become free is not given again below a newer one: names are sorted to find which backup is the newer.
    pub fn free_name(
        &self,
        client: &ClientName,
        kind: BackupKind,
        now: jiff::Timestamp,
    ) -> Result<BackupName> {
        let minute = now
            .to_zoned(self.clock.zone())
            .strftime("%y%m%d-%H%M")
            .to_string();
        let suffix = match kind {
            BackupKind::File => "",
            BackupKind::Image => storage::IMAGE_SUFFIX,
        };
        let mut taken = Vec::new();
        for storage in self.storages.all() {
            taken.extend(storage.store.backups(client)?);
        }
        let newest = taken
            .iter()
            .filter(|name| name.kind() == kind && name.as_str().starts_with(&minute))
            .max();
        for number in 1..1000u32 {
            let text = if number == 1 {
                format!("{minute}{suffix}")
            } else {
                format!("{minute}-{number}{suffix}")
            };
            let name: BackupName = text.parse()?;
            let is_newer = newest.is_none_or(|newest| name > *newest);
            if is_newer && self.catalog.backup(client.as_str(), &text).is_err() {
                return Ok(name);
            }
        }
        Err(Error::Busy {
            what: format!("the name {minute}"),
            why: "all its numbers are taken".into(),
        })
    }

    /// Where a backup's tree lies; `None` where its storage is not there.
    pub fn location(&self, backup: &catalog::Backup) -> Option<std::path::PathBuf> {
        let storage = self.storages.of(backup).ok()?;
        Some(storage.store.path().join(&backup.client).join(&backup.name))
    }
}
