//! What the control stream and the data connections of one ingest session share.

use std::collections::HashSet;
use std::fs::File;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use manifest::assemble::{Assembler, Outcome};
use manifest::delta::FileId;
use manifest::{DirRecord, Entry, Header, Summary, Writer, join_path};
use parking_lot::{Condvar, Mutex};
use storage::{Ingest, Store};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::error::{Error, Result};
use crate::ingest::announced::AnnouncedFiles;
use crate::ingest::content;
use crate::jobs::LiveJob;
use crate::problems::{self, ProblemList};
use crate::sessions::DataSession;
use crate::storages::OpenStorage;

/// Files that may be announced and not complete.
pub const WINDOW_FILES: u32 = 16 * 1024;
/// Data connections of one session.
pub const DATA_CONNECTIONS: u32 = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The assembler of a manifest that is written to a file.
pub type ManifestAssembler = Assembler<File>;

/// An ingest session.
pub struct Session {
    storage: Arc<OpenStorage>,
    /// Files that the base has damaged: nothing is built on them.
    doubted: HashSet<Box<[u8]>>,
    token: [u8; 32],
    header: Header,
    job: Arc<LiveJob>,
    ingest: Mutex<Option<Arc<Ingest>>>,
    assembler: Mutex<Option<ManifestAssembler>>,
    files: AnnouncedFiles,
    progressed: Condvar,
    failure: Mutex<Option<Error>>,
    ended: CancellationToken,
    connections: Mutex<Vec<TcpStream>>,
    connections_open: AtomicUsize,
    received_bytes: AtomicU64,
    problems: Mutex<ProblemList>,
}

impl Session {
    /// Creates the session of a job.
    pub fn create(
        storage: Arc<OpenStorage>,
        header: Header,
        job: Arc<LiveJob>,
        ingest: Ingest,
        assembler: ManifestAssembler,
    ) -> Self {
        Self {
            storage,
            doubted: HashSet::new(),
            token: rand::random(),
            header,
            job,
            ingest: Mutex::new(Some(Arc::new(ingest))),
            assembler: Mutex::new(Some(assembler)),
            files: AnnouncedFiles::default(),
            progressed: Condvar::new(),
            failure: Mutex::default(),
            ended: CancellationToken::new(),
            connections: Mutex::default(),
            connections_open: AtomicUsize::new(0),
            received_bytes: AtomicU64::new(0),
            problems: Mutex::default(),
        }
    }

    /// Takes what the base has of these files for nothing, as the client is told to.
    pub fn doubting(self, doubted: impl IntoIterator<Item = Box<[u8]>>) -> Self {
        Self {
            doubted: doubted.into_iter().collect(),
            ..self
        }
    }

    /// Whether what the base has of a file counts for nothing.
    pub fn doubts(&self, dir: &[u8], name: &[u8]) -> bool {
        !self.doubted.is_empty() && self.doubted.contains(&*join_path(dir, name))
    }

    /// What binds a data connection to this session.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// The storage that it goes to.
    pub fn storage(&self) -> &OpenStorage {
        &self.storage
    }

    /// The same, without what works for it.
    pub fn store(&self) -> &Store {
        &self.storage.store
    }

    /// What the manifest says of the backup as a whole.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The job that this session works for.
    pub fn job(&self) -> &LiveJob {
        &self.job
    }

    /// The files whose content is to come.
    pub fn files(&self) -> &AnnouncedFiles {
        &self.files
    }

    /// The tree that is being made.
    pub fn ingest(&self) -> Result<Arc<Ingest>> {
        self.ingest.lock().clone().ok_or(Error::Disconnected)
    }

    /// Works on the manifest.
    pub fn assemble<T>(
        &self,
        work: impl FnOnce(&mut ManifestAssembler) -> Result<T, manifest::Error>,
    ) -> Result<T> {
        match self.assembler.lock().as_mut() {
            Some(assembler) => Ok(work(assembler)?),
            None => Err(Error::Disconnected),
        }
    }

    /// Adds a directory without the entries that the base has lost, which become problems.
    pub fn assemble_without(
        &self,
        mut record: DirRecord,
        pending: &[(usize, FileId)],
        lost: &[Box<[u8]>],
    ) -> Result<()> {
        if lost.is_empty() {
            return self.assemble(|assembler| assembler.push(record, pending));
        }
        let is_lost = |entry: &Entry| lost.binary_search(&entry.name).is_ok();
        let lost_before = |at: usize| record.entries[..at].iter().filter(|entry| is_lost(entry)).count();
        let pending: Vec<_> = pending
            .iter()
            .map(|&(at, file)| (at - lost_before(at), file))
            .collect();
        let paths: Vec<_> = lost.iter().map(|name| join_path(&record.path, name)).collect();
        record.entries.retain(|entry| !is_lost(entry));
        self.assemble(|assembler| {
            for path in &paths {
                assembler.leave_out(path.clone());
            }
            assembler.push(record, &pending)
        })?;
        self.lost(paths);
        Ok(())
    }

    /// Makes durable what has arrived, so that a resumed backup can build on it whatever happens.
    pub fn checkpoint(&self) -> Result<()> {
        let ingest = self.ingest()?;
        let mut assembler = self.assembler.lock();
        self.write_manifests(assembler.as_mut().ok_or(Error::Disconnected)?, &ingest)?;
        drop(assembler);
        Ok(ingest.checkpoint()?)
    }

    /// Writes out what the manifest has of directories that are complete, and of those that are not.
    fn write_manifests(&self, assembler: &mut ManifestAssembler, ingest: &Ingest) -> Result<()> {
        assembler.flush_frame()?;
        let mut unfinished = Writer::create(ingest.unfinished_file()?, &self.header)?;
        assembler.write_unfinished(&mut unfinished)?;
        unfinished.finish(&manifest::Conclusion::default())?;
        Ok(())
    }

    /// Notes what of a file that is not complete can be built on, if the session ends here.
    pub fn so_far(&self, file_id: u64, entry: Option<Entry>) -> Result<()> {
        self.assemble(|assembler| assembler.so_far(FileId(file_id), entry))
    }

    /// Notes that a file is complete, with the entry that the manifest is to have.
    pub fn complete(&self, file_id: u64, entry: Entry) -> Result<()> {
        self.settle(file_id, Outcome::Stored(entry))
    }

    /// Notes that a file does not become part of the backup.
    pub fn dropped(&self, file_id: u64) -> Result<()> {
        self.settle(file_id, Outcome::Dropped)
    }

    fn settle(&self, file_id: u64, outcome: Outcome) -> Result<()> {
        let mut assembler = self.assembler.lock();
        let assembler = assembler.as_mut().ok_or(Error::Disconnected)?;
        assembler.complete(FileId(file_id), outcome)?;
        if assembler.pending_count() == 0 {
            self.progressed.notify_all();
        }
        Ok(())
    }

    /// Waits until every announced file is complete.
    pub fn wait_complete(&self) -> Result<()> {
        self.files.close();
        let mut idle_looks = 0;
        let mut assembler = self.assembler.lock();
        loop {
            self.check()?;
            let pending = assembler.as_ref().ok_or(Error::Disconnected)?.pending_count();
            if pending == 0 {
                return Ok(());
            }
            // With no connection left, nothing can come; two looks, since the last one may just be closing.
            idle_looks = if self.connections_open.load(Ordering::Acquire) == 0 {
                idle_looks + 1
            } else {
                0
            };
            if idle_looks > 20 {
                return Err(Error::protocol(format!(
                    "the content of {pending} announced files never came"
                )));
            }
            self.progressed.wait_for(&mut assembler, LOOK_AGAIN);
        }
    }

    /// Adds problems that the client met.
    pub fn problems(&self, problems: Vec<wire::v1::Problem>) {
        self.problems.lock().take(problems, &self.job);
    }

    /// Adds files that the storage has lost. The client takes them for there; as the manifest does not have them, it
    /// sends them at the next backup.
    pub fn lost(&self, paths: impl IntoIterator<Item = Box<[u8]>>) {
        let mut list = self.problems.lock();
        for path in paths {
            warn!(
                client = self.header.client,
                path = %String::from_utf8_lossy(&path),
                "the backup that this one grows from has lost a file"
            );
            list.add(manifest::Problem {
                path,
                kind: problems::LOST.to_owned(),
                message: "the server has lost it; the next backup brings it again".to_owned(),
            });
        }
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

    /// Ends the session with an error; the first one counts.
    pub fn fail(&self, error: Error) {
        self.failure.lock().get_or_insert(error);
        self.shut_down();
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
        self.files.close();
        for connection in self.connections.lock().drain(..) {
            // The peer may have closed it already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.progressed.notify_all();
    }

    /// Finishes the manifest and hands the tree over for the commit. The conclusion is made of all problems.
    pub fn conclude(
        &self,
        conclusion: impl FnOnce(&ProblemList) -> manifest::Conclusion,
    ) -> Result<(Ingest, Summary)> {
        let mut assembler = self.assembler.lock().take().ok_or(Error::Disconnected)?;
        let links = assembler.take_lost_links();
        let conclusion = {
            let mut problems = self.problems.lock();
            // Of those whose file was dropped the client has told.
            problems.add_lost(&links);
            conclusion(&problems)
        };
        let (summary, _) = assembler.finish(&conclusion)?;
        Ok((self.take_ingest()?, summary))
    }

    /// Keeps what has arrived for the next run. The session has been shut down.
    pub fn suspend(&self) {
        while self.connections_open.load(Ordering::Acquire) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let client = &self.header.client;
        let Ok(ingest) = self.take_ingest() else {
            debug!(client, "nothing of the interrupted backup is left to keep");
            return;
        };
        if let Some(mut assembler) = self.assembler.lock().take() {
            self.keep_bases(&mut assembler, &ingest);
            if let Err(error) = self.write_manifests(&mut assembler, &ingest) {
                warn!(
                    client,
                    error = error.chain(),
                    "the manifest of an interrupted backup could not be kept whole"
                );
            }
        }
        if let Err(error) = ingest.suspend() {
            warn!(client, %error, "an interrupted backup could not be kept");
        }
    }

    /// Of the files whose content has not begun to arrive, the base's versions are something to build on.
    fn keep_bases(&self, assembler: &mut ManifestAssembler, ingest: &Ingest) {
        for (file_id, announced) in self.files.take_all() {
            let Some(base) = announced.base else { continue };
            let kept = ingest.keep_base(&announced.slot, &base);
            let kept = kept.map_err(Error::from);
            if let Err(error) = kept.and_then(|()| Ok(assembler.so_far(FileId(file_id), Some(base))?)) {
                debug!(
                    error = error.chain(),
                    "a file of an interrupted backup is not kept"
                );
            }
        }
    }

    /// Takes the tree out, waiting for data connections that still use it.
    fn take_ingest(&self) -> Result<Ingest> {
        let mut shared = self.ingest.lock().take().ok_or(Error::Disconnected)?;
        loop {
            match Arc::try_unwrap(shared) {
                Ok(ingest) => return Ok(ingest),
                Err(still_shared) => shared = still_shared,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl DataSession for Session {
    fn client(&self) -> &str {
        &self.header.client
    }

    fn token(&self) -> &[u8] {
        &self.token
    }

    fn base_manifest(&self) -> Option<File> {
        self.ingest().ok()?.base_manifest()?.try_clone().ok()
    }

    fn serve(self: Arc<Self>, mut reader: crate::sessions::DataReader) {
        let open = self.connections_open.fetch_add(1, Ordering::AcqRel);
        let result = if open >= DATA_CONNECTIONS as usize {
            Err(Error::protocol("more data connections than the session may have"))
        } else {
            self.connections.lock().extend(reader.handle());
            content::receive(&self, reader.frames())
        };
        self.connections_open.fetch_sub(1, Ordering::AcqRel);
        match result {
            Ok(()) => {}
            Err(error) => {
                if self.check().is_ok() {
                    warn!(
                        client = self.header.client,
                        error = error.chain(),
                        "a data connection failed"
                    );
                }
                self.fail(error);
            }
        }
    }
}
