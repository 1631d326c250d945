//! What the control stream and the data connections of one image session share.

use std::collections::{BTreeMap, HashMap};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use manifest::Header;
use parking_lot::{Condvar, Mutex};
use storage::{ImageIngest, VolumeSink};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wire::v1::{LogLine, VolumeHash};

use super::content;
use super::synthetic::Audience;
use crate::error::{Error, Result};
use crate::jobs::LiveJob;
use crate::problems::ProblemList;
use crate::sessions::DataSession;
use crate::storages::OpenStorage;

/// Data connections of one session.
pub const DATA_CONNECTIONS: u32 = 4;
/// How long data connections may take to end after the client has said that they have.
const ENDING_TIMEOUT: Duration = Duration::from_secs(60);

/// A disk of a session.
pub struct Disk {
    /// The name of its directory.
    pub name: String,
    /// What is said of it; it has been checked.
    pub description: Vec<u8>,
}

/// An image session.
pub struct Session {
    storage: Arc<OpenStorage>,
    token: [u8; 32],
    header: Header,
    job: Arc<LiveJob>,
    ingest: Mutex<Option<Arc<Open>>>,
    disks: Vec<Disk>,
    connections: Mutex<Connections>,
    changed: Condvar,
    failure: Mutex<Option<Error>>,
    ended: CancellationToken,
    received_bytes: AtomicU64,
    problems: Mutex<ProblemList>,
}

/// What is open for writing.
pub struct Open {
    /// The tree.
    pub ingest: ImageIngest,
    /// Its volumes.
    volumes: BTreeMap<u64, VolumeSink>,
}

#[derive(Default)]
struct Connections {
    sockets: Vec<TcpStream>,
    begun: u32,
    ended: u32,
}

impl Open {
    /// A volume by the client's number.
    pub fn volume(&self, id: u64) -> Result<&VolumeSink> {
        self.volumes
            .get(&id)
            .ok_or_else(|| Error::protocol("a volume that was not announced"))
    }

    /// Bytes that had to be written so far.
    pub fn stored_bytes(&self) -> u64 {
        self.volumes.values().map(|volume| volume.stored_bytes()).sum()
    }
}

impl Session {
    /// Creates the session of a job.
    pub fn create(
        (storage, header): (Arc<OpenStorage>, Header),
        job: Arc<LiveJob>,
        ingest: ImageIngest,
        volumes: Vec<(u64, VolumeSink)>,
        disks: Vec<Disk>,
    ) -> Result<Self> {
        let count = volumes.len();
        let volumes: BTreeMap<_, _> = volumes.into_iter().collect();
        if volumes.len() != count {
            return Err(Error::protocol("two volumes have one number"));
        }
        Ok(Self {
            storage,
            token: rand::random(),
            header,
            job,
            ingest: Mutex::new(Some(Arc::new(Open { ingest, volumes }))),
            disks,
            connections: Mutex::default(),
            changed: Condvar::new(),
            failure: Mutex::default(),
            ended: CancellationToken::new(),
            received_bytes: AtomicU64::new(0),
            problems: Mutex::default(),
        })
    }

    /// What binds a data connection to this session.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// The storage that it goes to.
    pub fn storage(&self) -> &OpenStorage {
        &self.storage
    }

    /// What the manifest says of the backup as a whole.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The job that this session works for.
    pub fn job(&self) -> &LiveJob {
        &self.job
    }

    /// The disks whose volumes these are.
    pub fn disks(&self) -> &[Disk] {
        &self.disks
    }

    /// What is open for writing.
    pub fn open(&self) -> Result<Arc<Open>> {
        self.ingest.lock().clone().ok_or(Error::Disconnected)
    }

    /// Takes the tree out for the commit, waiting for threads that still use it.
    pub fn take(&self) -> Result<(ImageIngest, u64)> {
        let mut shared = self.ingest.lock().take().ok_or(Error::Disconnected)?;
        loop {
            match Arc::try_unwrap(shared) {
                Ok(open) => {
                    let stored = open.stored_bytes();
                    return Ok((open.ingest, stored));
                }
                Err(still_shared) => shared = still_shared,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets the tree go, which stays to be resumed.
    pub fn let_go(&self) {
        let mut connections = self.connections.lock();
        while connections.begun > connections.ended {
            self.changed.wait(&mut connections);
        }
        drop(connections);
        // Nothing is open where the commit has taken it.
        drop(self.take());
    }

    /// Waits until so many data connections have ended by their own word.
    pub fn wait_connections(&self, count: u32) -> Result<()> {
        let patience = Instant::now() + ENDING_TIMEOUT;
        let mut connections = self.connections.lock();
        loop {
            self.check()?;
            if connections.ended >= count && connections.ended == connections.begun {
                return Ok(());
            }
            if self.changed.wait_until(&mut connections, patience).timed_out() {
                return Err(Error::protocol(
                    "a data connection that was spoken of never ended",
                ));
            }
        }
    }

    /// Ends all volumes: both sides must have come to the same.
    pub fn close_volumes(&self, hashes: &[VolumeHash]) -> Result<()> {
        let told: HashMap<u64, &[u8]> = hashes
            .iter()
            .map(|volume| (volume.volume_id, volume.hash.as_slice()))
            .collect();
        let open = self.open()?;
        for (id, volume) in &open.volumes {
            let hash = open.ingest.close_volume(volume)?;
            if told.get(id) != Some(&&hash.0[..]) {
                return Err(Error::WrongHash {
                    path: String::from_utf8_lossy(volume.path()).into_owned(),
                });
            }
        }
        Ok(())
    }

    /// Adds problems that the client met.
    pub fn problems(&self, problems: Vec<wire::v1::Problem>) {
        self.problems.lock().take(problems, &self.job);
    }

    /// The problems so far.
    pub fn problem_list(&self) -> ProblemList {
        self.problems.lock().clone()
    }

    /// Counts bytes that came over a data connection, and waits, blocking, until more may come.
    pub fn received(&self, bytes: u64) {
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.job.arrived(bytes, || self.check().is_err());
    }

    /// Bytes that came over data connections.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// Fails where the session has failed or was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.job.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if self.ended.is_cancelled() {
            Err(Error::Disconnected)
        } else {
            Ok(())
        }
    }

    /// What ended the session, if something did on a data connection.
    pub fn failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    /// Waits until the session has failed.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Ends the session and its data connections.
    pub fn shut_down(&self) {
        self.ended.cancel();
        for socket in self.connections.lock().sockets.drain(..) {
            // The peer may have closed it already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
    }

    fn begin_connection(&self, socket: Option<TcpStream>) -> Result<()> {
        let mut connections = self.connections.lock();
        connections.begun += 1;
        connections.sockets.extend(socket);
        if connections.begun - connections.ended > DATA_CONNECTIONS {
            return Err(Error::protocol("more data connections than the session may have"));
        }
        Ok(())
    }
}

impl Audience for Session {
    fn log(&self, text: String) {
        self.job.log(LogLine {
            text,
            ..LogLine::default()
        });
    }

    fn problem(&self, problem: manifest::Problem) {
        self.problems.lock().add(problem);
    }
}

impl DataSession for Session {
    fn client(&self) -> &str {
        &self.header.client
    }

    fn token(&self) -> &[u8] {
        &self.token
    }

    fn image(self: Arc<Self>) -> Option<Arc<Session>> {
        Some(self)
    }

    fn serve(self: Arc<Self>, mut reader: crate::sessions::DataReader) {
        let result = self
            .begin_connection(reader.handle())
            .and_then(|()| content::receive(&self, reader.frames()));
        if let Err(error) = result {
            if self.check().is_ok() {
                warn!(
                    client = self.header.client,
                    error = error.chain(),
                    "a data connection failed"
                );
            }
            self.failure.lock().get_or_insert(error);
            self.shut_down();
        }
        self.connections.lock().ended += 1;
        self.changed.notify_all();
    }
}
