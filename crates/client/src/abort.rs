//! How work that is spread over threads, tasks and connections ends early: the first error counts, and all
//! else is let go.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::connection::Breaker;
use crate::error::Error;

/// The end of some work, should it fail.
#[derive(Debug, Default)]
pub(crate) struct Abort {
    error: Mutex<Option<Error>>,
    raised: Notify,
    is_raised: AtomicBool,
    breakers: Mutex<Vec<Breaker>>,
}

impl Abort {
    /// Ends the work and its connections. What others fail with after the first is not the cause and is
    /// dropped.
    pub(crate) fn raise(&self, error: Error) {
        self.error.lock().get_or_insert(error);
        self.is_raised.store(true, Ordering::Release);
        self.sever();
        self.raised.notify_one();
    }

    /// Whether the work has ended.
    pub(crate) fn is_raised(&self) -> bool {
        self.is_raised.load(Ordering::Acquire)
    }

    /// Waits for the end, and takes the cause. For one waiter.
    pub(crate) async fn cause(&self) -> Error {
        loop {
            if let Some(error) = self.error.lock().take() {
                return error;
            }
            self.raised.notified().await;
        }
    }

    /// Lets the work's end end this connection too.
    pub(crate) fn watch(&self, breaker: Breaker) {
        self.breakers.lock().push(breaker);
        if self.is_raised() {
            self.sever();
        }
    }

    fn sever(&self) {
        let breakers = std::mem::take(&mut *self.breakers.lock());
        breakers.iter().for_each(Breaker::sever);
    }
}
