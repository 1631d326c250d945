//! The names of what a process makes for as long as it works, PREFIX, its number, `-` and a number: others see by them what was
//! left behind.

use rustix::process::{Pid, getpid, test_kill_process};

/// The name of this process's thing with a number.
pub(crate) fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}{}-{number}", getpid().as_raw_nonzero())
}

/// Whether a name is that of something whose process is gone.
pub(crate) fn is_stale(prefix: &str, name: &[u8]) -> bool {
    let owner = name
        .strip_prefix(prefix.as_bytes())
        .and_then(|rest| std::str::from_utf8(rest).ok())
        .and_then(|rest| rest.split('-').next()?.parse().ok())
        .and_then(Pid::from_raw);
    owner.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}
