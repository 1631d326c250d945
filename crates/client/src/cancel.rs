//! A token by which one task tells threads and other tasks to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells that work should stop; clones share one state, which never goes back.
#[derive(Debug, Clone)]
pub struct Cancel {
    state: Arc<watch::Sender<bool>>,
}

impl Cancel {
    /// Creates a token that is not cancelled.
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Tells all holders to stop.
    pub fn cancel(&self) {
        self.state.send_replace(true);
    }

    /// Whether it was told to stop.
    pub fn is_cancelled(&self) -> bool {
        *self.state.borrow()
    }

    /// Waits until it is told to stop.
    pub async fn cancelled(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`, so the wait ends only by the state.
        let _ = state.wait_for(|cancelled| *cancelled).await;
    }
}

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}
