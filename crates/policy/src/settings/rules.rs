//! The rules that follow from what is set.

use super::layers::Resolved;
use super::value::{Rate, UserRight, Value};
use crate::archive::ArchiveRule;
use crate::quota::Quota;
use crate::retention;
use crate::schedule::{self, Allowance, Interval, Mode, ModeRules};
use crate::timed::Timed;
use crate::window::Windows;
use crate::{Span, Target, lock_out};

/// What holds for one client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientRules {
    /// When its file backups are made.
    pub files: schedule::Rules,
    /// When its image backups are made.
    pub images: schedule::Rules,
    /// Which of its file backups are kept.
    pub keep_files: retention::Rules,
    /// Which of its image backups are kept.
    pub keep_images: retention::Rules,
    /// Which of its backups are archived.
    pub archive: Vec<ArchiveRule>,
    /// For how long a deletion can be undone; `None` for not at all.
    pub trash_keep: Option<Span>,
    /// Whose backups begin first: higher goes first.
    pub priority: i32,
    /// How fast its backups may send.
    pub speed_limit: Timed<Rate>,
    /// It is late when this many intervals have passed without a backup.
    pub alert_after: u32,
    /// How long a reminder of what is still wrong takes; `None` for no reminders.
    pub alert_repeat: Option<Span>,
    /// The name of the storage that its new backups go to.
    pub storage: String,
    /// How much of the storage its backups may take.
    pub quota: Quota,
    /// A backup is checked again when its last check is so long ago; `None` for never.
    pub check_interval: Option<Span>,
    /// Whether damaged content is put right.
    pub mend: Mending,
    /// The format of its images, in words.
    pub image_format: &'static str,
    /// The synthetic disks of its images, in words.
    pub synthetic_disks: Vec<&'static str>,
    user_may: Vec<&'static str>,
}

impl ClientRules {
    /// The rules that follow from a client's settings.
    pub fn of(resolved: &Resolved) -> Self {
        Self {
            files: resolved.schedule(&FILES),
            images: resolved.schedule(&IMAGES),
            keep_files: resolved.retention(&FILES),
            keep_images: resolved.retention(&IMAGES),
            archive: resolved.archive_rules("archive"),
            trash_keep: resolved.span("trash_keep"),
            priority: resolved.number("priority"),
            speed_limit: resolved.rate("speed_limit"),
            alert_after: resolved.number("alert_after").unsigned_abs(),
            alert_repeat: resolved.span("alert_repeat"),
            storage: resolved.name("storage"),
            quota: resolved.quota("quota"),
            check_interval: resolved.span("check_interval"),
            mend: match resolved.word("mend") {
                "off" => Mending::Off,
                _ => Mending::On,
            },
            image_format: resolved.word("image_format"),
            synthetic_disks: resolved.words("synthetic_disks"),
            user_may: resolved.words("user_may"),
        }
    }

    /// Whether the client's own user may do this.
    pub fn may(&self, right: UserRight) -> bool {
        self.user_may.contains(&right.word())
    }

    /// When backups of a target are made.
    pub fn schedule(&self, target: Target) -> &schedule::Rules {
        match target {
            Target::Files => &self.files,
            Target::Image => &self.images,
        }
    }

    /// Which backups of a target are kept.
    pub fn retention(&self, target: Target) -> &retention::Rules {
        match target {
            Target::Files => &self.keep_files,
            Target::Image => &self.keep_images,
        }
    }
}

/// Whether damaged content is put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mending {
    /// As far as the content is to be had.
    On,
    /// It is only told.
    Off,
}

/// What holds for the server as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerRules {
    /// How many backups run at once.
    pub max_backups: u32,
    /// How many file backups do.
    pub max_file_backups: u32,
    /// How many image backups do.
    pub max_image_backups: u32,
    /// How many backups of one client do.
    pub max_per_client: u32,
    /// How fast all backups together may send.
    pub total_speed_limit: Timed<Rate>,
    /// How much of the storage all backups may take.
    pub total_quota: Quota,
    /// With less free space than this, backups are given up at once.
    pub min_free: Quota,
    /// For how long a client that was removed can be taken back.
    pub removed_keep: Span,
    /// For how long published disks stay.
    pub published_keep: Span,
    /// When the nightly cleanup begins.
    pub cleanup_window: Windows,
    /// When backups are checked.
    pub check_window: Windows,
    /// How fast checks read.
    pub check_speed: Timed<Rate>,
    /// What is copied into the storage each night, in words.
    pub catalog_backup: &'static str,
    /// For how long jobs are kept.
    pub keep_jobs: Option<Span>,
    /// For how long the audit log is kept.
    pub keep_changes: Option<Span>,
    /// For how long messages are kept that have arrived or were given up.
    pub keep_messages: Option<Span>,
    /// For how long it is kept what clients took of the storages.
    pub keep_usage: Option<Span>,
    /// With less free space than this, that is told.
    pub alert_free: Quota,
    /// How long a reminder of what is still wrong with the server takes; `None` for no reminders.
    pub alert_repeat: Option<Span>,
    /// The format of images for those clients that have no other, in words.
    pub image_format: &'static str,
    /// A log-in that was not used for so long has ended.
    pub session_idle: Span,
    /// A log-in has ended after so long in any case.
    pub session_most: Span,
    /// When log-ins are refused because too many have failed.
    pub lock_out: lock_out::Rules,
}

impl ServerRules {
    /// The rules that follow from the server's settings.
    pub fn of(resolved: &Resolved) -> Self {
        Self {
            max_backups: resolved.number("max_backups").unsigned_abs(),
            max_file_backups: resolved.number("max_file_backups").unsigned_abs(),
            max_image_backups: resolved.number("max_image_backups").unsigned_abs(),
            max_per_client: resolved.number("max_backups_per_client").unsigned_abs(),
            total_speed_limit: resolved.rate("total_speed_limit"),
            total_quota: resolved.quota("total_quota"),
            min_free: resolved.quota("min_free"),
            removed_keep: resolved.span("removed_keep").unwrap_or(Span::minutes(0)),
            published_keep: resolved.needed_span("published_keep"),
            cleanup_window: resolved.windows("cleanup_window"),
            check_window: resolved.windows("check_window"),
            check_speed: resolved.rate("check_speed"),
            catalog_backup: resolved.word("catalog_backup"),
            keep_jobs: resolved.span("keep_jobs"),
            keep_changes: resolved.span("keep_changes"),
            keep_messages: resolved.span("keep_messages"),
            keep_usage: resolved.span("keep_usage"),
            alert_free: resolved.quota("alert_free"),
            alert_repeat: resolved.span("alert_repeat"),
            image_format: resolved.word("image_format"),
            session_idle: resolved.needed_span("session_idle"),
            session_most: resolved.needed_span("session_most"),
            lock_out: resolved.lock_out(),
        }
    }
}

/// The keys of the settings of one target.
struct Keys {
    incremental_interval: &'static str,
    full_interval: &'static str,
    incremental_window: &'static str,
    full_window: &'static str,
    min: &'static str,
    max: &'static str,
    within: &'static str,
    hourly: &'static str,
    daily: &'static str,
    weekly: &'static str,
    monthly: &'static str,
    yearly: &'static str,
    full_min: &'static str,
    full_max: &'static str,
    incremental_min: &'static str,
    incremental_max: &'static str,
}

const FILES: Keys = Keys {
    incremental_interval: "incremental_interval",
    full_interval: "full_interval",
    incremental_window: "incremental_window",
    full_window: "full_window",
    min: "keep_min",
    max: "keep_max",
    within: "keep_within",
    hourly: "keep_hourly",
    daily: "keep_daily",
    weekly: "keep_weekly",
    monthly: "keep_monthly",
    yearly: "keep_yearly",
    full_min: "keep_full_min",
    full_max: "keep_full_max",
    incremental_min: "keep_incremental_min",
    incremental_max: "keep_incremental_max",
};

const IMAGES: Keys = Keys {
    incremental_interval: "image_incremental_interval",
    full_interval: "image_full_interval",
    incremental_window: "image_incremental_window",
    full_window: "image_full_window",
    min: "image_keep_min",
    max: "image_keep_max",
    within: "image_keep_within",
    hourly: "image_keep_hourly",
    daily: "image_keep_daily",
    weekly: "image_keep_weekly",
    monthly: "image_keep_monthly",
    yearly: "image_keep_yearly",
    full_min: "image_keep_full_min",
    full_max: "image_keep_full_max",
    incremental_min: "image_keep_incremental_min",
    incremental_max: "image_keep_incremental_max",
};

/// What is said where a setting has a value of another kind than is asked for: a mistake in this program, found by the
/// test that asks for all of them.
const OTHER_KIND: &str = "the table says of which kind a setting is";

impl Resolved {
    fn schedule(&self, keys: &Keys) -> schedule::Rules {
        schedule::Rules {
            full: self.mode_rules(Mode::Full, keys.full_interval, keys.full_window),
            incremental: self.mode_rules(
                Mode::Incremental,
                keys.incremental_interval,
                keys.incremental_window,
            ),
            retry_first: self.span("retry_first").unwrap_or(Span::minutes(0)),
            retry_most: self.span("retry_most").unwrap_or(Span::minutes(0)),
            start_delay: self.span("start_delay").unwrap_or(Span::minutes(0)),
            jitter: self.span("jitter").unwrap_or(Span::minutes(0)),
            catch_up_after: self.span("catch_up_after"),
        }
    }

    fn mode_rules(&self, mode: Mode, interval: &'static str, window: &'static str) -> ModeRules {
        let allowance = |key| match self.words(key).contains(&word(mode)) {
            true => Allowance::Allowed,
            false => Allowance::Withheld,
        };
        ModeRules {
            interval: self.interval(interval),
            window: self.windows(window),
            on_battery: allowance("on_battery"),
            on_metered: allowance("on_metered"),
        }
    }

    fn retention(&self, keys: &Keys) -> retention::Rules {
        let count = |key| self.count(key).unwrap_or(0);
        let bounds = |min, max| retention::Bounds {
            at_least: count(min),
            at_most: self.count(max),
        };
        retention::Rules {
            at_least: count(keys.min),
            at_most: self.count(keys.max),
            full: bounds(keys.full_min, keys.full_max),
            incremental: bounds(keys.incremental_min, keys.incremental_max),
            within: self.span(keys.within),
            hourly: count(keys.hourly),
            daily: count(keys.daily),
            weekly: count(keys.weekly),
            monthly: count(keys.monthly),
            yearly: count(keys.yearly),
        }
    }

    fn lock_out(&self) -> lock_out::Rules {
        lock_out::Rules {
            tries: self.number("login_tries").unsigned_abs(),
            tries_address: self.number("login_tries_address").unsigned_abs(),
            tries_name: self.number("login_tries_user").unsigned_abs(),
            window: self.needed_span("login_window"),
            first: self.needed_span("login_lock"),
            most: self.needed_span("login_lock_most"),
        }
    }

    /// A span that can't be off.
    fn needed_span(&self, key: &'static str) -> Span {
        self.span(key).unwrap_or(Span::minutes(0))
    }

    fn interval(&self, key: &'static str) -> Timed<Interval> {
        match self.value(key) {
            Value::Interval(interval) => interval.clone(),
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn span(&self, key: &'static str) -> Option<Span> {
        match self.value(key) {
            Value::Span(span) => *span,
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn windows(&self, key: &'static str) -> Windows {
        match self.value(key) {
            Value::Windows(windows) => windows.clone(),
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn count(&self, key: &'static str) -> Option<u32> {
        match self.value(key) {
            Value::Count(count) => *count,
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn number(&self, key: &'static str) -> i32 {
        match self.value(key) {
            Value::Number(number) => *number,
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn word(&self, key: &'static str) -> &'static str {
        match self.value(key) {
            Value::Word(word) => word,
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn name(&self, key: &'static str) -> String {
        match self.value(key) {
            Value::Name(name) => name.clone(),
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn words(&self, key: &'static str) -> Vec<&'static str> {
        match self.value(key) {
            Value::Words(words) => words.clone(),
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn quota(&self, key: &'static str) -> Quota {
        match self.value(key) {
            Value::Quota(quota) => *quota,
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn rate(&self, key: &'static str) -> Timed<Rate> {
        match self.value(key) {
            Value::Rate(rate) => rate.clone(),
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }

    fn archive_rules(&self, key: &'static str) -> Vec<ArchiveRule> {
        match self.value(key) {
            Value::ArchiveRules(rules) => rules.clone(),
            _ => panic!("{OTHER_KIND}: {key}"),
        }
    }
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Full => "full",
        Mode::Incremental => "incremental",
    }
}
