//! All file backups of this client as a file system: a folder for each by its name, with all that it holds, to be read and never written.
//!
//! ```text
//! kernel ─FUSE─▶ adapter ─┬─▶ tree ─▶ manifests, directories ─▶ the client's copies, or FetchManifest
//!                         │    └────▶ backups ────────────────▶ List
//!                         └─▶ content ─▶ blocks ──────────────▶ Restore, with ranges
//! ```
//!
//! - [`adapter`] translates between the kernel and what answers it; [`point`] mounts and unmounts
//! - [`tree`] answers all but reads: [`backups`] says what there is, [`manifests`] what is in it ([`directory`], [`attributes`]), and
//!   [`inodes`] which things the kernel knows
//! - [`content`] answers reads
//! - [`server`] is the way to the server, lost and found again; [`report`] tells what can't be read
//!
//! Memory is bounded: blocks by the size that is asked for, directories and manifests by constants ([`weighted`]), inodes by what the kernel
//! remembers. No question waits for ever: where the server does not answer, the kernel gets an I/O error.

mod adapter;
mod attributes;
mod backups;
mod content;
mod directory;
mod inodes;
mod manifests;
mod point;
mod report;
mod server;
mod tree;
mod weighted;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fuser::SessionUnmounter;
use tokio::task::JoinHandle;

pub use point::MountRefusal;

use adapter::Adapter;
use attributes::Owner;
use content::Contents;
use point::{Point, Unmounted};
use report::Report;
use server::Server;
use tree::Tree;

use crate::cache::Cache;
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor};

/// How often it is looked for what nobody uses any more.
const TIDY_INTERVAL: Duration = Duration::from_secs(5);
/// How long what was unmounted may take to come to its end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who may look into what is mounted. What he may read there, the modes of the backed up files say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Whoever mounts it, alone.
    #[default]
    Owner,
    /// All users.
    Everyone,
}

/// Backups that are to be mounted.
pub struct Mount {
    /// Where: a directory that is there and empty.
    pub dir: PathBuf,
    /// Who may look into them.
    pub visibility: Visibility,
    /// What blocks of files may take in memory.
    pub cache_bytes: u64,
    /// The manifests that this client holds.
    pub cache: Arc<Cache>,
    /// Is told what can't be read, and when the server can't be reached.
    pub monitor: Arc<dyn Monitor>,
}

impl Mount {
    /// Mounts them.
    ///
    /// Fails with [`Error::MountRefused`] where the directory won't do or the system refuses, and where the server can't be asked
    /// which backups there are. Then nothing is mounted.
    pub async fn open(self, connection: &Connection) -> Result<Mounted> {
        let server = Arc::new(Server::new(
            connection.clone(),
            self.cache.clone(),
            self.monitor.clone(),
        ));
        let report = Arc::new(Report::new(self.monitor.clone()));
        let contents = Arc::new(Contents::new(server.clone(), report.clone(), self.cache_bytes));
        let opening = {
            let (server, contents) = (server.clone(), contents.clone());
            tokio::task::spawn_blocking(move || -> Result<_> {
                let point = Point::check(&self.dir)?;
                let owner = Owner {
                    uid: rustix::process::geteuid().as_raw(),
                    gid: rustix::process::getegid().as_raw(),
                };
                let tree = Arc::new(Tree::open(&server, owner, report)?);
                let mut session = point.mount(Adapter::new(tree, contents), self.visibility)?;
                let unmounter = session.unmount_callable();
                let serving = tokio::task::spawn_blocking(move || session.run());
                Ok((point, unmounter, serving))
            })
        };
        let (point, unmounter, serving) = opening.await.map_err(|_| panicked())??;
        Ok(Mounted {
            point,
            unmounter,
            serving,
            server,
            contents,
            monitor: self.monitor,
        })
    }
}

/// Backups that are mounted, until [`Mounted::run`] returns.
pub struct Mounted {
    point: Point,
    unmounter: SessionUnmounter,
    serving: JoinHandle<std::io::Result<()>>,
    server: Arc<Server>,
    contents: Arc<Contents>,
    monitor: Arc<dyn Monitor>,
}

impl Mounted {
    /// Answers the kernel until somebody unmounts them or `cancel` is raised; then they are unmounted here.
    ///
    /// Fails where they can't be, or the kernel can't be answered any more.
    pub async fn run(mut self, cancel: &Cancel) -> Result<()> {
        let mut ticks = tokio::time::interval(TIDY_INTERVAL);
        let served = loop {
            tokio::select! {
                served = &mut self.serving => break served,
                () = cancel.cancelled() => return self.unmount().await,
                _ = ticks.tick() => self.contents.close_idle(),
            }
        };
        self.server.close();
        served.map_err(|_| panicked())?.map_err(Error::Fuse)
    }

    async fn unmount(mut self) -> Result<()> {
        // What waits for the server is let go.
        self.server.close();
        let unmounting = tokio::task::spawn_blocking(move || self.point.unmount(&mut self.unmounter));
        match unmounting.await.map_err(|_| panicked())? {
            Unmounted::Gone => {}
            Unmounted::Detached => {
                let text = "what was mounted is still in use; whoever uses it can read no more";
                self.monitor.log(Level::Warning, text);
                return Ok(());
            }
            Unmounted::Not(error) => return Err(Error::Fuse(error)),
        }
        match tokio::time::timeout(FAREWELL, self.serving).await {
            Ok(served) => served.map_err(|_| panicked())?.map_err(Error::Fuse),
            Err(_) => Ok(()),
        }
    }
}

fn panicked() -> Error {
    Error::Protocol {
        what: "a thread of the client panicked",
    }
}
