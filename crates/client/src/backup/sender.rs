//! A sender: one thread that takes files from the queue, and one data connection that it opens when there is
//! content to send.

use std::sync::atomic::Ordering;

use wire::v1::Piece;

use super::pieces::{FileSink, PieceSink};
use super::queue::{Job, Taken};
use super::session::Session;
use super::transfer::{Finished, Transfer};
use crate::error::Result;
use crate::line::Line;
use crate::source::UNKNOWN_SIZE_BYTES;

/// Works until nothing is left or the session ends; what fails here ends the session.
pub(super) fn run(session: &Session) {
    let mut sender = Sender {
        session,
        line: session.line(),
        buffer: Vec::new(),
    };
    if let Err(error) = sender.work() {
        session.fail(error);
    }
}

struct Sender<'a> {
    session: &'a Session,
    line: Line<'a>,
    /// Holds the content of small files.
    buffer: Vec<u8>,
}

impl Sender<'_> {
    fn work(&mut self) -> Result<()> {
        let queue = &self.session.queue;
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
        let session = self.session;
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
        let session = self.session;
        let mut problems = Vec::new();
        let mut transfer = Transfer {
            sink: FileSink::new(&mut self.line),
            threads: session.hash_threads,
            cache: &session.cache,
            is_wanted: &|| !session.is_over(),
            progress: &|bytes| {
                session.counts.bytes_done.fetch_add(bytes, Ordering::Relaxed);
            },
            buffer: &mut self.buffer,
            problems: &mut problems,
        };
        let finished = transfer.run(&job.work, job.task);
        problems.iter().for_each(|problem| session.report(problem));
        // A stream has been counted while it came.
        if let Ok(Finished::Complete(Some(entry))) = &finished
            && job.work.file.entry.size() != UNKNOWN_SIZE_BYTES
        {
            session
                .counts
                .bytes_done
                .fetch_add(entry.size(), Ordering::Relaxed);
        }
        finished
    }
}

impl PieceSink for Line<'_> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()> {
        Line::piece(self, piece, bytes)
    }
}
