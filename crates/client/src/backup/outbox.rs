//! What goes to the server on the session's control stream: threads put in, one task sends.
//!
//! Operations keep their order and are sent before anything that was put in later. They wait a moment for
//! more of them, but never long: the server may hold content back until it knows which file that belongs to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use manifest::delta::{Op, encode_op};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, mpsc};
use wire::v1::ingest_request::Request;
use wire::v1::{HashOffer, HashOffers, IngestFinish, IngestRequest, Problems};

use crate::error::Result;
use crate::monitor::Problem;

/// What one message carries of operations.
const BATCH_BYTES: usize = 256 << 10;
/// Beyond this whoever puts in more waits.
const MAX_WAITING_BYTES: usize = 1 << 20;
const MAX_WAITING_PROBLEMS: usize = 4096;
const BATCH_PROBLEMS: usize = 512;
/// The longest that something waits for company.
const LINGER: Duration = Duration::from_millis(25);

#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    wake: Notify,
    room: Condvar,
}

#[derive(Default)]
struct State {
    operations: Vec<u8>,
    offers: Vec<HashOffer>,
    offers_bytes: usize,
    problems: Vec<wire::v1::Problem>,
    progress: Option<wire::v1::Progress>,
    finish: Option<IngestFinish>,
    stopped: bool,
}

impl Outbox {
    /// Puts in an operation; waits while too much is there.
    pub(super) fn operation(&self, op: &Op) -> Result<()> {
        let mut state = self.state.lock();
        while state.operations.len() > MAX_WAITING_BYTES && !state.stopped {
            self.room.wait(&mut state);
        }
        encode_op(op, &mut state.operations)?;
        let hurry = state.operations.len() >= BATCH_BYTES;
        drop(state);
        if hurry {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Puts in the offer of a hash.
    pub(super) fn offer(&self, offer: HashOffer) {
        let mut state = self.state.lock();
        while state.offers_bytes > MAX_WAITING_BYTES && !state.stopped {
            self.room.wait(&mut state);
        }
        state.offers_bytes += offer.block_hashes.len() + offer.hash.len();
        state.offers.push(offer);
        drop(state);
        self.wake.notify_one();
    }

    /// Puts in a problem.
    pub(super) fn problem(&self, problem: &Problem) {
        let mut state = self.state.lock();
        while state.problems.len() > MAX_WAITING_PROBLEMS && !state.stopped {
            self.room.wait(&mut state);
        }
        state.problems.push(problem.to_wire());
    }

    /// Puts in how far the work is; replaces what has not been sent.
    pub(super) fn progress(&self, progress: wire::v1::Progress) {
        self.state.lock().progress = Some(progress);
    }

    /// Puts in the last message.
    pub(super) fn finish(&self, finish: IngestFinish) {
        self.state.lock().finish = Some(finish);
        self.wake.notify_one();
    }

    /// Lets nobody wait any more; what is put in from now on is lost.
    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.room.notify_all();
        self.wake.notify_one();
    }

    /// Sends what is put in until the last message, the end of the stream, or [`Outbox::stop`].
    pub(super) async fn pump(self: Arc<Self>, stream: mpsc::Sender<IngestRequest>) {
        loop {
            // Woken or not: there may be something.
            let _ = tokio::time::timeout(LINGER, self.wake.notified()).await;
            let Some((requests, last)) = self.drain() else {
                return;
            };
            for request in requests {
                if stream
                    .send(IngestRequest {
                        request: Some(request),
                    })
                    .await
                    .is_err()
                {
                    self.stop();
                    return;
                }
            }
            if last {
                return;
            }
        }
    }

    /// Takes out what is there, as messages, and tells whether the last is among them; `None` once stopped.
    fn drain(&self) -> Option<(Vec<Request>, bool)> {
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        let operations = std::mem::take(&mut state.operations);
        let offers = std::mem::take(&mut state.offers);
        state.offers_bytes = 0;
        let problems = std::mem::take(&mut state.problems);
        let (progress, finish) = (state.progress.take(), state.finish.take());
        drop(state);
        self.room.notify_all();
        let mut requests = Vec::new();
        let mut rest = Bytes::from(operations);
        while !rest.is_empty() {
            let batch = rest.split_to(rest.len().min(BATCH_BYTES));
            requests.push(Request::Operations(batch));
        }
        requests.extend(batches_of_offers(offers).map(|offers| Request::Offers(HashOffers { offers })));
        let batches = problems.chunks(BATCH_PROBLEMS);
        requests.extend(batches.map(|batch| {
            Request::Problems(Problems {
                problems: batch.to_vec(),
            })
        }));
        requests.extend(progress.map(Request::Progress));
        let last = finish.is_some();
        requests.extend(finish.map(Request::Finish));
        Some((requests, last))
    }
}

/// Cuts offers so that no message becomes too long.
fn batches_of_offers(offers: Vec<HashOffer>) -> impl Iterator<Item = Vec<HashOffer>> {
    let mut batches: Vec<Vec<HashOffer>> = Vec::new();
    let mut bytes = usize::MAX;
    for offer in offers {
        let offer_bytes = offer.block_hashes.len() + 64;
        if bytes.saturating_add(offer_bytes) > MAX_WAITING_BYTES {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += offer_bytes;
        batches
            .last_mut()
            .expect("one was pushed before the first offer")
            .push(offer);
    }
    batches.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_and_the_last_comes_last() {
        let outbox = Outbox::default();
        outbox.finish(IngestFinish::default());
        for number in 0..3 {
            outbox.offer(HashOffer {
                file_id: number,
                hash: vec![0; 32],
                block_hashes: vec![0; 400 << 10],
            });
        }
        outbox.operation(&Op::Same { dirs: 3 }).unwrap();
        let (requests, last) = outbox.drain().unwrap();
        assert!(last);
        assert_eq!(requests.len(), 4);
        assert!(matches!(&requests[0], Request::Operations(_)));
        assert!(matches!(&requests[1], Request::Offers(offers) if offers.offers.len() == 2));
        assert!(matches!(&requests[2], Request::Offers(offers) if offers.offers.len() == 1));
        assert!(matches!(requests[3], Request::Finish(_)));
        assert!(matches!(outbox.drain(), Some((requests, false)) if requests.is_empty()));
        outbox.stop();
        assert!(outbox.drain().is_none());
    }
}
