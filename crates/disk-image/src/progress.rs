//! Telling how far long work is, and ending it early.

/// Is told how far the work is, and may end it.
pub trait Progress {
    /// So many bytes more are done, zeros included.
    fn done(&self, len_bytes: u64);

    /// Whether somebody wants it to end.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn done(&self, _len_bytes: u64) {}
}
