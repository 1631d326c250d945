//! Whether the clock can be believed: backups are named and kept by it.

use std::path::Path;

use catalog::{BackupFilter, Catalog};

use super::Subject;
use super::finding::{Finding, Level};
use super::words::{day, span};

const FILE_SYSTEM: &str = "clock-file-system";
const BACKUPS: &str = "clock-backups";
const SYNCHRONISED: &str = "clock-synchronised";
/// What the clock of a file server may be off by.
const MOST_SKEW_MS: u64 = 5_000;
/// How much younger than the present a backup may be: clocks are set back a little now and then.
const MOST_AHEAD_MS: i64 = 60_000;
/// What systemd's own service writes when it has set the clock by the network.
const TIMESYNCD: &str = "systemd/timesync/synchronized";
/// What services leave in `/run` while they run that keep the clock right. How well they do is not told there.
const SERVICES: [(&str, &str); 6] = [
    ("chronyd", "chrony/chronyd.pid"),
    ("chronyd", "chronyd.pid"),
    ("ntpd", "ntpd.pid"),
    ("ntpsec", "ntpsec.pid"),
    ("openntpd", "openntpd.pid"),
    ("openntpd", "ntpd.sock"),
];

/// Compares the time at which a file was written with that of its file system.
pub fn judge_file_system(written_ms: i64, clock_ms: i64) -> Finding {
    let skew_ms = written_ms.abs_diff(clock_ms);
    if skew_ms <= MOST_SKEW_MS {
        return Finding::ok(
            FILE_SYSTEM,
            "the storage's file system and the system have the same time",
        );
    }
    Finding::of(
        Level::Warning,
        FILE_SYSTEM,
        format!(
            "the storage's file system is {} off the system's clock",
            span(skew_ms)
        ),
        "set both clocks by the network (NTP): that of this machine and that of the file server",
    )
}

/// Compares the clock with the newest backup.
pub fn judge_backups(subject: &Subject<'_>, catalog: &Catalog) -> Option<Finding> {
    let newest = catalog.newest_backup(&BackupFilter::default()).ok()??;
    let now_ms = subject.clock.now_ms();
    let ahead_ms = newest.started_ms.max(newest.finished_ms).saturating_sub(now_ms);
    if ahead_ms <= MOST_AHEAD_MS {
        return Some(Finding::ok(BACKUPS, "no backup is younger than the present"));
    }
    Some(Finding::of(
        Level::Error,
        BACKUPS,
        format!(
            "the clock was set back: {}/{} is of {}, {} from now",
            newest.client,
            newest.name,
            day(newest.started_ms, &subject.clock.zone()),
            span(ahead_ms.unsigned_abs())
        ),
        "set the clock right; if it was ahead when the backup was made, that one is kept for longer than it should be, or can be \
         deleted",
    ))
}

/// Whether something keeps the clock right, by what it leaves in `run`, usually `/run`.
pub fn judge_synchronisation(run: &Path) -> Finding {
    if run.join(TIMESYNCD).exists() {
        return Finding::ok(SYNCHRONISED, "the clock was set by the network");
    }
    if let Some((name, _)) = SERVICES.iter().find(|(_, file)| run.join(file).exists()) {
        return Finding::ok(SYNCHRONISED, format!("{name} runs and keeps the clock right"));
    }
    let (level, what) = if run.join("systemd/timesync").is_dir() {
        (
            Level::Warning,
            "the clock has not been set by the network since the machine started",
        )
    } else {
        (Level::Advice, "nothing was found that keeps the clock right")
    };
    Finding::of(
        level,
        SYNCHRONISED,
        what,
        "have it set by the network, for example with \"timedatectl set-ntp true\"; a virtual machine may have it from its host",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_with_another_time_is_told() {
        assert_eq!(judge_file_system(1_000_000, 1_004_000).level, Level::Ok);
        let found = judge_file_system(1_000_000, 1_600_000);
        assert_eq!(found.level, Level::Warning);
        assert!(found.what.contains("10 min"), "{}", found.what);
    }

    #[test]
    fn what_keeps_the_clock_right_is_found_by_what_it_leaves() {
        let run = tempfile::tempdir().unwrap();
        let level = || judge_synchronisation(run.path()).level;
        assert_eq!(level(), Level::Advice);
        std::fs::create_dir_all(run.path().join("systemd/timesync")).unwrap();
        assert_eq!(level(), Level::Warning);
        std::fs::write(run.path().join("chronyd.pid"), "1").unwrap();
        assert_eq!(level(), Level::Ok);
        std::fs::remove_file(run.path().join("chronyd.pid")).unwrap();
        std::fs::write(run.path().join(TIMESYNCD), "").unwrap();
        assert_eq!(level(), Level::Ok);
    }
}
