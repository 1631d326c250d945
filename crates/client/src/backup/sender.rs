//! A sender: one thread that takes files from the queue, and one data connection that it opens when there is
//! content to send.

use std::sync::atomic::Ordering;

use wire::frame::FrameWriter;
use wire::v1::Piece;

use super::compression::{BusyTime, Meter, Policy, Timed};
use super::pieces::{FileSink, PieceSink, lost};
use super::queue::{Job, Taken};
use super::session::Session;
use super::transfer::{Finished, Transfer};
use crate::connection::DataConnection;
use crate::error::Result;

/// Works until nothing is left or the session ends; what fails here ends the session.
pub(super) fn run(session: &Session) {
    let mut sender = Sender {
        line: Line { session, open: None },
        buffer: Vec::new(),
    };
    if let Err(error) = sender.work() {
        session.fail(error);
    }
}

struct Sender<'a> {
    line: Line<'a>,
    /// Holds the content of small files.
    buffer: Vec<u8>,
}

impl Sender<'_> {
    fn work(&mut self) -> Result<()> {
        let queue = &self.line.session.queue;
        loop {
            match queue.take() {
                Taken::Jobs(jobs) => self.do_all(jobs)?,
                Taken::Nothing => {
                    self.line.flush()?;
                    queue.wait_for_work();
                }
                Taken::End => break,
            }
        }
        if queue.is_stopped() {
            Ok(())
        } else {
            self.line.close()
        }
    }

    fn do_all(&mut self, jobs: Vec<Job>) -> Result<()> {
        let session = self.line.session;
        let mut complete = Vec::with_capacity(jobs.len());
        for job in jobs {
            if session.is_over() {
                return Ok(());
            }
            if job.work.file.entry.size() > super::transfer::WHOLE_BELOW_BYTES {
                // What waits for company would wait for all of this file.
                self.line.flush()?;
            }
            let file = job.work.file.id;
            match self.transfer(&job)? {
                Finished::Complete(entry) => {
                    if entry.is_none() {
                        session.links.lock().forget(job.work.file.stat.identity());
                    }
                    complete.push((file, entry));
                }
                Finished::Offer(entry, offer) => {
                    session.queue.offer(job.work, *entry);
                    session.outbox.offer(offer);
                }
            }
        }
        if complete.is_empty() {
            Ok(())
        } else {
            session.complete(complete)
        }
    }

    fn transfer(&mut self, job: &Job) -> Result<Finished> {
        let session = self.line.session;
        let mut problems = Vec::new();
        let mut transfer = Transfer {
            sink: FileSink::new(&mut self.line),
            threads: session.hash_threads,
            buffer: &mut self.buffer,
            problems: &mut problems,
        };
        let finished = transfer.run(&job.work, job.task);
        problems.iter().for_each(|problem| session.report(problem));
        if let Ok(Finished::Complete(Some(entry))) = &finished {
            session
                .counts
                .bytes_done
                .fetch_add(entry.size(), Ordering::Relaxed);
        }
        finished
    }
}

/// The data connection of a sender.
struct Line<'a> {
    session: &'a Session,
    open: Option<OpenLine>,
}

struct OpenLine {
    writer: FrameWriter<Timed<DataConnection>>,
    policy: Policy,
    busy: BusyTime,
    /// What the session's counts have been told.
    counted_bytes: u64,
}

impl PieceSink for Line<'_> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()> {
        let line = match &mut self.open {
            Some(line) => line,
            none => none.insert(OpenLine::open(self.session)?),
        };
        line.writer.piece(piece, bytes).map_err(lost)?;
        line.account(self.session);
        Ok(())
    }
}

impl Line<'_> {
    fn flush(&mut self) -> Result<()> {
        if let Some(line) = &mut self.open
            && !line.writer.is_empty()
        {
            line.writer.flush().map_err(lost)?;
            line.account(self.session);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if let Some(mut line) = self.open.take() {
            line.writer.flush().map_err(lost)?;
            line.account(self.session);
            let connection = line.writer.finish().map_err(lost)?;
            connection
                .into_inner()
                .close()
                .map_err(|error| lost(error.into()))?;
        }
        Ok(())
    }
}

impl OpenLine {
    fn open(session: &Session) -> Result<Self> {
        let connection = session.dialler.open()?;
        session.watch(connection.breaker()?);
        let policy = Policy::new(session.compression, session.connections, connection.is_loopback());
        let connection = Timed::new(connection);
        let busy = connection.busy();
        let mut writer = FrameWriter::create(connection, &session.key).map_err(lost)?;
        writer.set_compression(policy.compression());
        Ok(Self {
            writer,
            policy,
            busy,
            counted_bytes: 0,
        })
    }

    /// Looks at what was sent since the last time.
    fn account(&mut self, session: &Session) {
        let sent_bytes = self.writer.sent_bytes();
        if sent_bytes == self.counted_bytes {
            return;
        }
        session
            .counts
            .bytes_sent
            .fetch_add(sent_bytes - self.counted_bytes, Ordering::Relaxed);
        self.counted_bytes = sent_bytes;
        let meter = Meter {
            raw_bytes: self.writer.raw_bytes(),
            sent_bytes,
            busy: self.busy.get(),
        };
        self.policy.observe(meter);
        self.writer.set_compression(self.policy.compression());
    }
}
