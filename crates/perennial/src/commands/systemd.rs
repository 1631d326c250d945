//! What runs for long and was started by systemd tells it how it is going.

/// Tells systemd, if it started this process, how it is going.
pub fn tell_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
