//! What will become of one mode's backup: when it is due, when it begins, and what holds it back.

use super::hindrance::Hindrance;
use super::jitter::Jitter;
use super::pace::{Pace, Since};
use super::{Allowance, Case, Interval, Link, Mode, Power};
use crate::Span;

/// One mode's backup in one case.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// What it trusts.
    pub mode: Mode,
    /// Its interval and window.
    pub pace: Pace<'a>,
    case: &'a Case<'a>,
}

/// When a backup begins, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// When.
    pub at_ms: i64,
    /// By which interval.
    pub every: Span,
    /// How.
    pub way: Way,
}

/// How a backup stands to its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It begins within.
    InWindow,
    /// It is so overdue that the window does not count.
    CatchingUp,
}

impl<'a> Course<'a> {
    /// The course of a mode's backup. `None` for an incremental one that has nothing to grow from.
    pub fn of(case: &'a Case<'a>, mode: Mode) -> Option<Self> {
        let last_any_ms = case.history.last_any_ms(case.now_ms);
        let since = match (mode, case.history.last_full_ms(case.now_ms), last_any_ms) {
            (Mode::Full, _, None) => Since::NoBackup,
            (Mode::Full, None, Some(_)) => Since::NoFullBackup,
            (Mode::Full, Some(last_ms), Some(_)) => Since::Backup(last_ms),
            (Mode::Incremental, _, last_any_ms) => Since::Backup(last_any_ms?),
        };
        let rules = match since {
            Since::NoBackup if case.rules.full.is_off() => &case.rules.incremental,
            _ => case.rules.of(mode),
        };
        let zone = case.zone;
        Some(Self {
            mode,
            pace: Pace { rules, since, zone },
            case,
        })
    }

    /// An incremental backup that follows one which begins then.
    pub fn incremental_after(case: &'a Case<'a>, began_ms: i64) -> Self {
        let pace = Pace {
            rules: &case.rules.incremental,
            since: Since::Backup(began_ms),
            zone: case.zone,
        };
        Self {
            mode: Mode::Incremental,
            pace,
            case,
        }
    }

    /// Since when it is due, or from when on, by its interval alone.
    pub fn due_ms(&self) -> Option<i64> {
        let now_ms = self.case.now_ms;
        let due_ms = self.pace.due_ms(now_ms)?;
        let interval = self.pace.rules.interval.at(now_ms, self.case.zone);
        Some(match (self.pace.since, interval) {
            (Since::Backup(_), Interval::Every(every)) if due_ms == now_ms => self.pace.ripe_ms(*every),
            _ => due_ms,
        })
    }

    /// When it begins, unless something changes. `None` if that can't be told, or if it never does.
    pub fn begins(&self) -> Option<Beginning> {
        if self.open_ended().next().is_some() {
            return None;
        }
        let begins = self.pace.lengths().filter_map(|every| self.begins_by(every));
        begins.min_by_key(|beginning| beginning.at_ms)
    }

    /// What holds it back at an instant, apart from its interval not having passed.
    pub fn hindrances(&self, at_ms: i64) -> Vec<Hindrance> {
        let mut hindrances = Vec::new();
        let interval = *self.pace.rules.interval.at(at_ms, self.case.zone);
        if interval == Interval::Off {
            hindrances.push(Hindrance::SwitchedOff);
        }
        hindrances.extend(self.open_ended());
        let still = |hindrance: &Hindrance| hindrance.ends_ms().is_some_and(|ends_ms| ends_ms > at_ms);
        let timely = [self.paused(), self.start_delay(), self.failed()];
        hindrances.extend(timely.into_iter().flatten().filter(still));
        if let Interval::Every(every) = interval {
            hindrances.extend(self.window_or_jitter(at_ms, every));
        }
        hindrances
    }

    fn begins_by(&self, every: Span) -> Option<Beginning> {
        let jitter = self.jitter(every);
        let retry_ms = self.failed().and_then(|failed| failed.ends_ms());
        let from_ms = self
            .released_ms(jitter)
            .max(retry_ms.unwrap_or(i64::MIN))
            .max(self.pace.ripe_ms(every))
            .max(self.case.now_ms);
        let begins = |way, at_ms| Beginning { at_ms, every, way };
        let in_window = self.pace.in_window_ms(every, from_ms, jitter);
        let in_window = in_window.map(|at_ms| begins(Way::InWindow, at_ms));
        let catching_up = self
            .overdue_ms(every)
            .and_then(|overdue_ms| self.pace.due_by_ms(every, from_ms.max(overdue_ms)));
        let catching_up = catching_up.map(|at_ms| begins(Way::CatchingUp, at_ms));
        // Of equals it is the first.
        in_window
            .into_iter()
            .chain(catching_up)
            .min_by_key(|beginning| beginning.at_ms)
    }

    /// What holds it back for nobody knows how long.
    fn open_ended(&self) -> impl Iterator<Item = Hindrance> {
        let (rules, situation) = (self.pace.rules, self.case.situation);
        let withheld = |allowance| allowance == Allowance::Withheld;
        let not_connected = situation.connected_since_ms.is_none();
        let on_battery = situation.power == Power::Battery && withheld(rules.on_battery);
        let metered = situation.link == Link::Metered && withheld(rules.on_metered);
        [
            not_connected.then_some(Hindrance::NotConnected),
            on_battery.then_some(Hindrance::OnBattery),
            metered.then_some(Hindrance::Metered),
        ]
        .into_iter()
        .flatten()
    }

    fn paused(&self) -> Option<Hindrance> {
        let until_ms = self.case.situation.paused_until_ms?;
        Some(Hindrance::Paused { until_ms })
    }

    fn start_delay(&self) -> Option<Hindrance> {
        let connected_ms = self.case.situation.connected_since_ms?.min(self.case.now_ms);
        let wait = self.case.rules.start_delay;
        let until_ms = wait.after(connected_ms);
        Some(Hindrance::StartDelay { wait, until_ms })
    }

    fn failed(&self) -> Option<Hindrance> {
        let (failures, wait) = self.case.history.back_off(self.case.rules, self.case.now_ms)?;
        Some(Hindrance::Failed {
            count: failures.count,
            wait,
            until_ms: wait.after(failures.last_ms),
        })
    }

    fn window_or_jitter(&self, at_ms: i64, every: Span) -> Option<Hindrance> {
        let catches_up = self
            .overdue_ms(every)
            .is_some_and(|overdue_ms| overdue_ms <= at_ms);
        let window = &self.pace.rules.window;
        if !catches_up && !window.contains(at_ms, self.case.zone) {
            return Some(Hindrance::OutsideWindow {
                window: window.clone(),
                opens_ms: window.next_open(at_ms, self.case.zone),
            });
        }
        let jitter = self.jitter(every);
        let released_ms = self.released_ms(jitter);
        let until_ms = match catches_up {
            true => released_ms,
            false => released_ms.max(self.pace.spread_ms(at_ms, jitter)),
        };
        let begun = self.released_ms(Jitter::NONE) <= at_ms;
        (begun && until_ms > at_ms).then_some(Hindrance::Jitter { until_ms })
    }

    /// From when on connection and pause let it begin, with a wait after them.
    fn released_ms(&self, jitter: Jitter) -> i64 {
        let releases = [self.start_delay(), self.paused()];
        let last_ms = releases
            .into_iter()
            .flatten()
            .filter_map(|release| release.ends_ms())
            .max();
        last_ms.map_or(i64::MIN, |last_ms| jitter.wait().after(last_ms))
    }

    /// From when on the window does not count.
    fn overdue_ms(&self, every: Span) -> Option<i64> {
        let catch_up_after = self.case.rules.catch_up_after?;
        Some(catch_up_after.after(self.pace.ripe_ms(every)))
    }

    /// How long after other clients this one begins.
    fn jitter(&self, every: Span) -> Jitter {
        if self.pace.since == Since::NoBackup {
            return Jitter::NONE;
        }
        let tenth = Span {
            len_ms: every.len_ms / 10,
        };
        Jitter::new(
            self.case.rules.jitter.min(tenth),
            self.case.seed,
            self.case.target,
        )
    }
}
