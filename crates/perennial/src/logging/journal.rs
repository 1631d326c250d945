//! The journal: whether stderr is its stream, and log lines that reach it with their fields.

use std::ffi::OsStr;

use tracing_journald::{Layer, Priority, PriorityMappings};

use crate::config::Surroundings;

/// What the names of fields begin with there.
const FIELD_PREFIX: &str = "PERENNIAL";

/// Whether the journal reads what is written to stderr: systemd says which stream that is, and a command that somebody else has
/// started from there has another.
pub fn is_stderr(surroundings: &Surroundings) -> bool {
    let stated = surroundings.variable("JOURNAL_STREAM").and_then(OsStr::to_str);
    let Some((device, inode)) = stated.and_then(|stated| stated.split_once(':')) else {
        return false;
    };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else {
        return false;
    };
    let stat = rustix::fs::fstat(std::io::stderr());
    stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (device, inode))
}

/// What sends log lines to the journal; `None` where that can't be reached.
pub fn layer() -> Option<Layer> {
    let layer = Layer::new().ok()?;
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    Some(
        layer
            .with_field_prefix(Some(FIELD_PREFIX.to_owned()))
            .with_syslog_identifier("perennial".to_owned())
            .with_priority_mappings(priorities),
    )
}
