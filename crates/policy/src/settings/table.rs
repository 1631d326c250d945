//! Every setting, in the order in which they are shown.

use super::kind::Kind;
use super::layers::Layer;

/// What settings are about; they are shown by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// When backups are made.
    Schedule,
    /// How much is done at once.
    Limits,
    /// Which backups are kept.
    Retention,
    /// How images are kept.
    Images,
    /// Where backups lie, and how they are looked after.
    Storages,
    /// What people are told.
    Alerts,
    /// What others may do.
    Permissions,
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Schedule => "schedule",
            Self::Limits => "limits",
            Self::Retention => "retention",
            Self::Images => "images",
            Self::Storages => "storages",
            Self::Alerts => "alerts",
            Self::Permissions => "permissions",
        })
    }
}

/// Something that can be set.
#[derive(Debug)]
pub struct Setting {
    /// The word for it.
    pub key: &'static str,
    /// What it is about.
    pub section: Section,
    /// Which values it takes.
    pub kind: Kind,
    /// Its value where nothing is set.
    pub fallback: &'static str,
    /// The last layer that may have it.
    pub reach: Layer,
    /// What it does, as one sentence without full stop.
    pub about: &'static str,
}

/// The setting of this key.
pub fn setting(key: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.key == key)
}

const fn line(
    section: Section,
    reach: Layer,
    key: &'static str,
    kind: Kind,
    fallback: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        key,
        section,
        kind,
        fallback,
        reach,
        about,
    }
}

use Layer::{Client, Server, User};
use Section::{Alerts, Images, Limits, Permissions, Retention, Schedule, Storages};

/// What the storage that the server was started with is called in settings, whatever its name.
pub const DEFAULT_STORAGE: &str = "default";

/// Every setting.
#[rustfmt::skip]
pub static TABLE: &[Setting] = &[
    line(Schedule, User, "incremental_interval", Kind::Interval, "5h",
        "Time from one file backup to the next incremental one"),
    line(Schedule, User, "full_interval", Kind::Interval, "30d",
        "Time from one full file backup, which reads everything again, to the next"),
    line(Schedule, User, "image_incremental_interval", Kind::Interval, "off",
        "Time from one image backup to the next incremental one"),
    line(Schedule, User, "image_full_interval", Kind::Interval, "off",
        "Time from one full image backup, which sends everything again, to the next"),
    line(Schedule, User, "incremental_window", Kind::Windows, "always",
        "When incremental file backups may begin"),
    line(Schedule, User, "full_window", Kind::Windows, "always",
        "When full file backups may begin"),
    line(Schedule, User, "image_incremental_window", Kind::Windows, "always",
        "When incremental image backups may begin"),
    line(Schedule, User, "image_full_window", Kind::Windows, "always",
        "When full image backups may begin"),
    line(Schedule, Client, "catch_up_after", Kind::OptionalSpan, "off",
        "A backup that is overdue by this much begins outside of its window too"),
    line(Schedule, Client, "start_delay", Kind::OptionalSpan, "off",
        "How long a client is left alone after it has connected"),
    line(Schedule, Client, "jitter", Kind::OptionalSpan, "10min",
        "Backups are put off by up to this much, each client's by another, so that they don't begin at once"),
    line(Schedule, User, "on_battery", Kind::Words(&["incremental", "full"]), "incremental",
        "Which backups begin while the client runs on battery"),
    line(Schedule, User, "on_metered", Kind::Words(&["incremental", "full"]), "none",
        "Which backups begin while the client's connection is metered"),
    line(Schedule, Client, "retry_first", Kind::Span, "5min",
        "The wait after a first failure; it doubles with each further one"),
    line(Schedule, Client, "retry_most", Kind::Span, "1h",
        "The longest wait after a failure"),

    line(Limits, Client, "priority", Kind::Number { least: -100, most: 100 }, "0",
        "Whose backups begin first when not all can; higher goes first"),
    line(Limits, Server, "max_backups", Kind::Number { least: 1, most: 10_000 }, "10",
        "How many backups run at once"),
    line(Limits, Server, "max_file_backups", Kind::Number { least: 0, most: 10_000 }, "10",
        "How many file backups run at once"),
    line(Limits, Server, "max_image_backups", Kind::Number { least: 0, most: 10_000 }, "4",
        "How many image backups run at once"),
    line(Limits, Server, "max_backups_per_client", Kind::Number { least: 1, most: 2 }, "1",
        "How many backups of one client run at once; 2 lets files and images run side by side"),
    line(Limits, User, "speed_limit", Kind::Rate, "off",
        "How fast a client's backups may send"),
    line(Limits, Server, "total_speed_limit", Kind::Rate, "off",
        "How fast all clients' backups together may send"),

    line(Retention, Client, "keep_min", Kind::Count, "5",
        "So many file backups are kept at least"),
    line(Retention, Client, "keep_max", Kind::Count, "off",
        "No more than so many file backups are kept"),
    line(Retention, Client, "keep_within", Kind::OptionalSpan, "2d",
        "All file backups that are younger are kept"),
    line(Retention, Client, "keep_hourly", Kind::Count, "off",
        "A file backup is kept for each of so many hours"),
    line(Retention, Client, "keep_daily", Kind::Count, "30",
        "A file backup is kept for each of so many days"),
    line(Retention, Client, "keep_weekly", Kind::Count, "8",
        "A file backup is kept for each of so many weeks"),
    line(Retention, Client, "keep_monthly", Kind::Count, "12",
        "A file backup is kept for each of so many months"),
    line(Retention, Client, "keep_yearly", Kind::Count, "5",
        "A file backup is kept for each of so many years"),
    line(Retention, Client, "keep_full_min", Kind::Count, "off",
        "So many full file backups are kept at least"),
    line(Retention, Client, "keep_full_max", Kind::Count, "off",
        "No more than so many full file backups are kept"),
    line(Retention, Client, "keep_incremental_min", Kind::Count, "off",
        "So many incremental file backups are kept at least"),
    line(Retention, Client, "keep_incremental_max", Kind::Count, "off",
        "No more than so many incremental file backups are kept"),
    line(Retention, Client, "image_keep_min", Kind::Count, "2",
        "So many image backups are kept at least"),
    line(Retention, Client, "image_keep_max", Kind::Count, "off",
        "No more than so many image backups are kept"),
    line(Retention, Client, "image_keep_within", Kind::OptionalSpan, "2d",
        "All image backups that are younger are kept"),
    line(Retention, Client, "image_keep_hourly", Kind::Count, "off",
        "An image backup is kept for each of so many hours"),
    line(Retention, Client, "image_keep_daily", Kind::Count, "7",
        "An image backup is kept for each of so many days"),
    line(Retention, Client, "image_keep_weekly", Kind::Count, "8",
        "An image backup is kept for each of so many weeks"),
    line(Retention, Client, "image_keep_monthly", Kind::Count, "6",
        "An image backup is kept for each of so many months"),
    line(Retention, Client, "image_keep_yearly", Kind::Count, "off",
        "An image backup is kept for each of so many years"),
    line(Retention, Client, "image_keep_full_min", Kind::Count, "off",
        "So many full image backups are kept at least"),
    line(Retention, Client, "image_keep_full_max", Kind::Count, "off",
        "No more than so many full image backups are kept"),
    line(Retention, Client, "image_keep_incremental_min", Kind::Count, "off",
        "So many incremental image backups are kept at least"),
    line(Retention, Client, "image_keep_incremental_max", Kind::Count, "off",
        "No more than so many incremental image backups are kept"),
    line(Retention, Client, "archive", Kind::ArchiveRules, "none",
        "Backups that retention leaves alone for long, such as \"file every 30d keep 1y\"; several are separated by \";\""),
    line(Retention, Client, "quota", Kind::Quota, "off",
        "How much of the storage a client's backups may take, as a size or as a share of the whole"),
    line(Retention, Server, "total_quota", Kind::Quota, "95%",
        "How much of each storage all backups may take"),
    line(Retention, Server, "min_free", Kind::Quota, "1%",
        "With less free space than this, backups are given up at once, not only in the cleanup"),
    line(Retention, Server, "cleanup_window", Kind::Windows, "Mon-Sun/3-4",
        "When the nightly cleanup begins"),
    line(Retention, Client, "trash_keep", Kind::OptionalSpan, "1d",
        "For how long a deletion can be undone, while there is space"),
    line(Retention, Server, "removed_keep", Kind::Span, "14d",
        "For how long a client that was removed can be taken back, before it goes with all its backups"),
    line(Retention, Server, "catalog_backup", Kind::Choice(&["catalog", "catalog-and-keys", "off"]), "catalog",
        "What is copied into the storage each night, so that a lost catalog can be put back: catalog, catalog-and-keys (also the keys of the certificate authority, with which whoever has the storage can pass for the server), or off"),
    line(Retention, Server, "keep_jobs", Kind::Span, "365d",
        "For how long jobs and their logs are kept"),
    line(Retention, Server, "keep_changes", Kind::Span, "1825d",
        "For how long the audit log is kept"),
    line(Retention, Server, "keep_usage", Kind::Span, "1825d",
        "For how long it is kept what clients took of the storages day by day"),

    line(Images, Client, "image_format", Kind::Choice(&["auto", "raw", "qcow2", "vhdx", "vhd"]), "auto",
        "What new images are kept in where extents can't be shared: auto (qcow2), qcow2, vhdx or vhd, with what differs from the image before; or raw, with all of it. Elsewhere they are raw and share extents"),
    line(Images, Client, "synthetic_disks", Kind::Words(&["raw", "vhd", "vhd-fixed", "vhdx", "qcow2", "vmdk"]), "vhdx",
        "Virtual disks that every image backup gets where extents can be shared: none, or any of raw, vhd, vhd-fixed, vhdx, qcow2, vmdk"),
    line(Images, Server, "published_keep", Kind::Span, "7d",
        "For how long virtual disks stay that were made of images to be downloaded; the nightly cleanup removes them"),

    line(Storages, Client, "storage", Kind::Name, DEFAULT_STORAGE,
        "The storage that new backups go to; default is the one that the server was started with"),
    line(Storages, Client, "check_interval", Kind::OptionalSpan, "90d",
        "A backup is read again and compared with its hashes when its last check is so long ago"),
    line(Storages, Server, "check_window", Kind::Windows, "Mon-Sun/0-6",
        "When such checks run; one that is not finished goes on in the next window"),
    line(Storages, Server, "check_speed", Kind::Rate, "50M",
        "How fast such checks read"),
    line(Storages, Client, "mend", Kind::Choice(&["on", "off"]), "on",
        "Whether damaged content is put right from an identical file, or fetched again from the client that still has it: on or off"),

    line(Alerts, Client, "alert_after", Kind::Number { least: 1, most: 100 }, "3",
        "A client counts as late when this many intervals have passed without a backup"),
    line(Alerts, Client, "alert_repeat", Kind::OptionalSpan, "off",
        "What is still wrong is told again each time that so much time has passed"),
    line(Alerts, Server, "alert_free", Kind::Quota, "3%",
        "With less free space than this in the storage, that is told"),
    line(Alerts, Server, "keep_messages", Kind::Span, "30d",
        "For how long is kept which messages were delivered or given up"),

    line(Permissions, Server, "session_idle", Kind::Span, "8h",
        "A user's log-in ends when it was not used for this long"),
    line(Permissions, Server, "session_most", Kind::Span, "7d",
        "A user's log-in ends after this long in any case"),
    line(Permissions, Server, "login_tries", Kind::Number { least: 1, most: 1000 }, "5",
        "So many failed log-ins of a user from one address lock him out there for a while"),
    line(Permissions, Server, "login_tries_address", Kind::Number { least: 1, most: 10_000 }, "20",
        "So many failed log-ins from one address, of whichever users, lock that address out for a while"),
    line(Permissions, Server, "login_tries_user", Kind::Number { least: 1, most: 100_000 }, "100",
        "So many failed log-ins of a user from anywhere lock him out for a while, but for addresses from where he has logged in before"),
    line(Permissions, Server, "login_window", Kind::Span, "15min",
        "Failed log-ins are forgotten when there were no more for this long"),
    line(Permissions, Server, "login_lock", Kind::Span, "1min",
        "How long the first lock lasts; each further failure doubles it"),
    line(Permissions, Server, "login_lock_most", Kind::Span, "1h",
        "How long a lock lasts at most"),
    line(Permissions, Client, "user_may", Kind::Words(&[
            "start-incremental-file", "start-full-file", "start-incremental-image", "start-full-image",
            "restore", "verify", "pause", "settings",
        ]),
        "start-incremental-file,start-full-file,start-incremental-image,start-full-image,restore,verify,pause,settings",
        "What a client's own user may do: start backups, restore, verify, let backups rest, change the settings that reach down to the user"),
];
