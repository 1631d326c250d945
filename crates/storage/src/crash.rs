//! Points between durable steps at which a test can kill the process, as a power cut would without its grace.
//!
//! Compiled in only with the feature `crash-points`; without it every function here does nothing. The counter is the one
//! piece of global state in this crate, and only tests have it.

#[cfg(feature = "crash-points")]
mod armed {
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    static DEADLY: AtomicU64 = AtomicU64::new(0);

    pub fn arm(at: u64) {
        PASSED.store(0, Ordering::SeqCst);
        DEADLY.store(at, Ordering::SeqCst);
    }

    pub fn count() -> u64 {
        PASSED.load(Ordering::SeqCst)
    }

    pub fn point(name: &'static str) {
        let passed = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
        if passed == DEADLY.load(Ordering::SeqCst) {
            tracing::warn!(name, passed, "crash point");
            // The process does not outlive this call, so there is nobody to take the error.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}

/// Kills the process when it passes the `at`-th point from now on; 0 disarms. Starts the count again.
pub fn arm(at: u64) {
    #[cfg(feature = "crash-points")]
    armed::arm(at);
    let _ = at;
}

/// How many points have been passed since [`arm`].
pub fn count() -> u64 {
    #[cfg(feature = "crash-points")]
    return armed::count();
    #[cfg(not(feature = "crash-points"))]
    0
}

/// Passes a point, which is named for what has just been done.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(feature = "crash-points")]
    armed::point(name);
    let _ = name;
}
