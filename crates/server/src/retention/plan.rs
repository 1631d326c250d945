//! What the rules will remove, now and in the days to come, without doing it.

use std::ops::ControlFlow;

use catalog::Backup;
use jiff::tz::TimeZone;
use policy::retention::{Departure, Expected, Fate, Horizon, Reason, Series, Which, forecast, plan};
use policy::schedule::{Interval, Mode, Rules};
use policy::window::Windows;
use policy::{Span, Target};

use super::candidates::{belongings, owners};
use crate::core::Core;
use crate::error::Result;

/// Most backups of one client and target that are expected in a forecast.
const MOST_EXPECTED: usize = 20_000;

/// What would become of a backup in a cleanup now.
pub struct Judged {
    /// Which.
    pub backup: Backup,
    /// What would become of it.
    pub fate: Fate,
    /// Why.
    pub reason: Reason,
}

/// A backup that will go.
pub struct Planned {
    /// Whose it is.
    pub client: String,
    /// What it is of.
    pub target: Target,
    /// What it is called; nothing where it has not been made yet.
    pub name: Option<String>,
    /// When it began, or will have.
    pub started_ms: i64,
    /// When it goes.
    pub at_ms: i64,
    /// Why.
    pub reason: Reason,
}

/// Judges all backups, or those of one client, as a cleanup would now: client by client, as long as `each` wants more.
pub fn plan_now(
    core: &Core,
    client: Option<&str>,
    mut each: impl FnMut(Vec<Judged>) -> ControlFlow<()>,
) -> Result<()> {
    let (zone, now_ms) = (core.clock.zone(), core.clock.now_ms());
    for client in owners(core, client)? {
        let mut judged = Vec::new();
        for series in belongings(core, &client)?.series {
            let verdicts = plan(series.backups, &series.rules, &zone, now_ms);
            judged.extend(verdicts.into_iter().map(|verdict| Judged {
                backup: verdict.key,
                fate: verdict.fate,
                reason: verdict.reason,
            }));
        }
        if each(judged).is_break() {
            break;
        }
    }
    Ok(())
}

/// Tells which backups will go within so many days; with `expecting`, as if backups went on being made on time.
pub fn plan_ahead(
    core: &Core,
    client: Option<&str>,
    days: u32,
    expecting: Expecting,
) -> Result<Vec<Planned>> {
    let (zone, now_ms) = (core.clock.zone(), core.clock.now_ms());
    let window = core.policies.server().cleanup_window.clone();
    let horizon = Horizon { now_ms, days };
    let mut planned = Vec::new();
    for name in owners(core, client)? {
        let of_client = belongings(core, &name)?;
        for Series {
            target,
            rules,
            backups,
        } in of_client.series
        {
            let newest_ms = backups.iter().map(|candidate| candidate.started_ms).max();
            let expected = match expecting {
                Expecting::Nothing => Vec::new(),
                Expecting::Schedule => expected(of_client.rules.schedule(target), newest_ms, horizon, &zone),
            };
            let departures = forecast(
                backups,
                &expected,
                &rules,
                &zone,
                cleanups(&window, &zone, now_ms),
                horizon,
            );
            planned.extend(
                departures
                    .into_iter()
                    .map(|departure| told(&name, target, departure)),
            );
        }
    }
    planned.sort_by(|one, other| (one.at_ms, &one.client).cmp(&(other.at_ms, &other.client)));
    Ok(planned)
}

/// Which backups are supposed to be made until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expecting {
    /// None.
    Nothing,
    /// Those that the schedule would make, each on time.
    Schedule,
}

fn told(client: &str, target: Target, departure: Departure<Backup>) -> Planned {
    Planned {
        client: client.to_owned(),
        target,
        name: match departure.backup {
            Which::Existing(backup) => Some(backup.name),
            Which::Expected(_) => None,
        },
        started_ms: departure.started_ms,
        at_ms: departure.at_ms,
        reason: departure.reason,
    }
}

/// The times at which cleanups run from now on.
fn cleanups<'a>(window: &'a Windows, zone: &'a TimeZone, now_ms: i64) -> impl Iterator<Item = i64> + 'a {
    let first_ms = window.next_open(now_ms, zone);
    std::iter::successors(first_ms, move |at_ms| {
        let closes_ms = window.open_until(*at_ms, zone);
        window.next_open(closes_ms.unwrap_or(Span::days(1).after(*at_ms)), zone)
    })
}

/// The backups that the schedule would make, by its intervals alone: windows shift them by hours, which makes no
/// difference to days and weeks.
fn expected(rules: &Rules, newest_ms: Option<i64>, horizon: Horizon, zone: &TimeZone) -> Vec<Expected> {
    let end_ms = Span::days(u64::from(horizon.days)).after(horizon.now_ms);
    let every = |mode, at_ms| match rules.of(mode).interval.at(at_ms, zone) {
        Interval::Every(span) if span.len_ms > 0 => Some(*span),
        _ => None,
    };
    let mut expected: Vec<Expected> = Vec::new();
    let mut at_ms = newest_ms.unwrap_or(horizon.now_ms);
    let mut full_ms = at_ms;
    while expected.len() < MOST_EXPECTED {
        let full = every(Mode::Full, at_ms);
        let Some(step) = every(Mode::Incremental, at_ms).or(full) else {
            break;
        };
        at_ms = step.after(at_ms).max(horizon.now_ms);
        if at_ms > end_ms {
            break;
        }
        let is_full = full.is_some_and(|span| span.after(full_ms) <= at_ms);
        if is_full {
            full_ms = at_ms;
        }
        expected.push(Expected {
            started_ms: at_ms,
            mode: if is_full { Mode::Full } else { Mode::Incremental },
            archived: None,
        });
    }
    expected
}
