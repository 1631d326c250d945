//! What clients and their backups take over time, for the charts of their pages.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, UsageOfClient, UsageRequest};

use crate::failure::{Failure, OrFail as _};
use crate::parts::calendar::day_of;
use crate::parts::chart::{Chart, MOST_POINTS, Point, Shape, scripts, thinned};
use crate::parts::say::now_ms;
use crate::visitor::User;

const DAY_MS: i64 = 86_400_000;
/// So many clients have a line of their own; all others share one.
const LARGEST: usize = 6;

/// How far a chart goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Month,
    Quarter,
    Year,
    All,
}

impl Period {
    pub const ALL: [Self; 4] = [Self::Month, Self::Quarter, Self::Year, Self::All];

    pub fn word(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::All => "all",
        }
    }

    fn since_ms(self, now_ms: i64) -> i64 {
        let days = match self {
            Self::Month => 30,
            Self::Quarter => 90,
            Self::Year => 365,
            // 0 asks for what is now.
            Self::All => return 1,
        };
        now_ms.saturating_sub(days * DAY_MS)
    }
}

/// The period that an address asks for; a quarter of a year where it asks for none.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AskedPeriod {
    #[serde(default)]
    period: String,
}

impl AskedPeriod {
    pub fn period(&self) -> Period {
        let asked = Period::ALL
            .into_iter()
            .find(|period| period.word() == self.period);
        asked.unwrap_or(Period::Quarter)
    }
}

/// The links to the other periods; `address` makes one of a period's word.
fn periods(user: &User, here: Period, address: impl Fn(&str) -> String) -> Markup {
    html! {
        nav.filters aria-label=(user.say("sizes-period")) {
            @for period in Period::ALL {
                a href=(address(period.word())) aria-current=[(period == here).then_some("true")] {
                    (user.say(&format!("sizes-{}", period.word())))
                }
            }
        }
    }
}

/// The samples of one client, or of all, from then on; with 0 what it is now.
async fn samples(user: &User, client: &str, since_ms: i64) -> Result<Vec<UsageOfClient>, Failure> {
    let request = UsageRequest {
        client: client.to_owned(),
        since_ms,
        most_times: MOST_POINTS as u32,
    };
    let mut storages = user.services.storages();
    Ok(storages.usage(request).await.or_fail(user)?.samples)
}

/// What a client takes, and how large its backups are, in charts.
pub async fn of_client(
    user: &User,
    client: &str,
    period: Period,
    backups: &[BackupInfo],
) -> Result<Markup, Failure> {
    let since_ms = period.since_ms(now_ms());
    let mut taken_over_time = samples(user, client, since_ms).await?;
    taken_over_time.extend(samples(user, client, 0).await?);
    let newer: Vec<&BackupInfo> = backups
        .iter()
        .filter(|backup| backup.started_ms >= since_ms)
        .collect();
    let charts = [
        taken(user, &taken_over_time),
        sizes(user, &newer),
        transferred(user, &newer),
    ];
    let address = |period: &str| format!("/clients/{client}?period={period}#sizes");
    Ok(section(user, &periods(user, period, address), &charts))
}

/// What all clients take, in a chart that ends with what it is now.
pub async fn of_all(
    user: &User,
    period: Period,
    now: &[UsageOfClient],
    address: impl Fn(&str) -> String,
) -> Result<Markup, Failure> {
    let mut samples = samples(user, "", period.since_ms(now_ms())).await?;
    samples.extend_from_slice(now);
    let chart = by_client(user, &samples);
    Ok(section(user, &periods(user, period, address), &[chart]))
}

fn section(user: &User, periods: &Markup, charts: &[Chart]) -> Markup {
    let drawn = || charts.iter().filter(|chart| chart.points.len() > 1);
    html! {
        section.card #sizes {
            div.tools { h2 { (user.say("sizes")) } (periods) }
            @if drawn().next().is_none() { p.none { (user.say("sizes-too-few")) } }
            @else {
                div.charts { @for chart in drawn() { (chart.show(user)) } }
                (scripts())
            }
        }
    }
}

/// What was taken on each day: the last samples of each client and storage.
type Days<'a> = BTreeMap<Date, HashMap<(&'a str, &'a str), &'a UsageOfClient>>;

fn days(samples: &[UsageOfClient]) -> Days<'_> {
    let mut days = Days::new();
    for sample in samples {
        let day = days.entry(day_of(sample.at_ms)).or_default();
        let of = (sample.client.as_str(), sample.storage.as_str());
        let last = day.entry(of).or_insert(sample);
        if sample.at_ms >= last.at_ms {
            *last = sample;
        }
    }
    days
}

/// What a client takes of all storages.
fn taken(user: &User, samples: &[UsageOfClient]) -> Chart {
    let days: Vec<_> = days(samples).into_values().collect();
    let points = thinned(days).into_iter().map(|day| {
        let sum = |of: fn(&UsageOfClient) -> u64| Some(day.values().map(|sample| of(sample)).sum());
        Point {
            at_ms: day.values().map(|sample| sample.at_ms).max().unwrap_or_default(),
            bytes: vec![
                sum(|sample| sample.bytes_logical),
                sum(|sample| sample.bytes_exclusive),
                sum(|sample| sample.bytes_shared),
            ],
        }
    });
    Chart {
        title: user.say("sizes-taken"),
        about: user.say("sizes-taken-about"),
        shape: Shape::Lines,
        lines: ["size", "freed", "shared"]
            .map(|line| user.say(&format!("usage-{line}")))
            .into(),
        points: points.collect(),
    }
}

/// What the largest clients take, and all others together.
fn by_client(user: &User, samples: &[UsageOfClient]) -> Chart {
    let days = days(samples);
    let mut newest: Vec<(u64, &str)> = days.last_key_value().map_or_else(Vec::new, |(_, day)| {
        let mut of_clients: HashMap<&str, u64> = HashMap::new();
        for ((client, _), sample) in day {
            *of_clients.entry(client).or_default() += sample.bytes_exclusive;
        }
        of_clients
            .into_iter()
            .map(|(client, bytes)| (bytes, client))
            .collect()
    });
    newest.sort_unstable_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let largest: Vec<&str> = newest.iter().take(LARGEST).map(|(_, client)| *client).collect();
    let has_others = samples
        .iter()
        .any(|sample| !largest.contains(&sample.client.as_str()));
    let points = thinned(days.into_values().collect()).into_iter().map(|day| {
        let mut bytes: Vec<Option<u64>> = vec![None; largest.len()];
        let mut others = 0_u64;
        for ((client, _), sample) in &day {
            match largest.iter().position(|large| large == client) {
                Some(at) => *bytes[at].get_or_insert(0) += sample.bytes_exclusive,
                None => others = others.saturating_add(sample.bytes_exclusive),
            }
        }
        bytes.extend(has_others.then_some(Some(others)));
        let at_ms = day.values().map(|sample| sample.at_ms).max().unwrap_or_default();
        Point { at_ms, bytes }
    });
    let points = points.collect();
    let names = largest.iter().map(|client| (*client).to_owned());
    Chart {
        title: user.say("sizes-by-client"),
        about: user.say("sizes-by-client-about"),
        shape: Shape::Lines,
        lines: names
            .chain(has_others.then(|| user.say("sizes-others")))
            .collect(),
        points,
    }
}

/// The kinds that there are, each with the text for it.
fn kinds(user: &User, backups: &[&BackupInfo]) -> Vec<(&'static str, String)> {
    let there = ["file", "image"].into_iter();
    let there = there.filter(|kind| backups.iter().any(|backup| backup.kind == *kind));
    there
        .map(|kind| (kind, user.say(&format!("kind-{kind}-backup"))))
        .collect()
}

/// How large backups were.
fn sizes(user: &User, backups: &[&BackupInfo]) -> Chart {
    let kinds = kinds(user, backups);
    let mut points: Vec<Point> = Vec::new();
    for (line, (kind, _)) in kinds.iter().enumerate() {
        let of_kind = backups.iter().filter(|backup| backup.kind == *kind);
        let mut of_kind: Vec<&BackupInfo> = of_kind.copied().collect();
        of_kind.sort_by_key(|backup| backup.started_ms);
        // Each for itself: of many of one kind and few of the other, none of those few might be left.
        points.extend(thinned(of_kind).into_iter().map(|backup| {
            let mut bytes = vec![None; kinds.len()];
            bytes[line] = Some(backup.bytes_logical);
            let at_ms = backup.started_ms;
            Point { at_ms, bytes }
        }));
    }
    points.sort_by_key(|point| point.at_ms);
    Chart {
        title: user.say("sizes-backups"),
        about: String::new(),
        shape: Shape::Lines,
        lines: kinds.into_iter().map(|(_, text)| text).collect(),
        points,
    }
}

/// Spans of time by which sums are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    Day,
    Week,
    Month,
}

impl Sum {
    /// The shortest of which there are not too many.
    fn of(days: i64) -> Self {
        let most = MOST_POINTS as i64;
        match days {
            _ if days < most => Self::Day,
            _ if days / 7 < most => Self::Week,
            _ => Self::Month,
        }
    }

    /// The day with which the one begins that a day lies in.
    fn begin(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                let since_monday = day.weekday().to_monday_zero_offset();
                day.saturating_sub(jiff::Span::new().days(since_monday))
            }
            Self::Month => day.first_of_month(),
        }
    }

    fn next(self, day: Date) -> Date {
        day.saturating_add(match self {
            Self::Day => jiff::Span::new().days(1),
            Self::Week => jiff::Span::new().weeks(1),
            Self::Month => jiff::Span::new().months(1),
        })
    }

    fn text(self) -> &'static str {
        match self {
            Self::Day => "sizes-transferred-day",
            Self::Week => "sizes-transferred-week",
            Self::Month => "sizes-transferred-month",
        }
    }
}

/// What backups sent, in each day, week or month.
fn transferred(user: &User, backups: &[&BackupInfo]) -> Chart {
    let kinds = kinds(user, backups);
    let on: Vec<Date> = backups.iter().map(|backup| day_of(backup.started_ms)).collect();
    let ends = on.iter().min().zip(on.iter().max());
    let sum = Sum::of(ends.map_or(0, |(first, last)| last.duration_since(*first).as_hours() / 24));
    let mut sums: BTreeMap<Date, Vec<u64>> = BTreeMap::new();
    if let Some((first, last)) = ends {
        // What lies between two backups is 0, and no gap.
        let mut day = sum.begin(*first);
        while day <= *last && sums.len() <= 40 * MOST_POINTS {
            sums.insert(day, vec![0; kinds.len()]);
            day = sum.next(day);
        }
    }
    for (backup, day) in backups.iter().zip(on) {
        let of = sums.entry(sum.begin(day)).or_insert_with(|| vec![0; kinds.len()]);
        if let Some(at) = kinds.iter().position(|(kind, _)| *kind == backup.kind) {
            of[at] = of[at].saturating_add(backup.bytes_transferred);
        }
    }
    let too_many = sums.len().saturating_sub(2 * MOST_POINTS);
    let points = sums.into_iter().skip(too_many).map(|(day, bytes)| Point {
        at_ms: noon_ms(day),
        bytes: bytes.into_iter().map(Some).collect(),
    });
    Chart {
        title: user.say(sum.text()),
        about: String::new(),
        shape: Shape::Bars,
        points: points.collect(),
        lines: kinds.into_iter().map(|(_, text)| text).collect(),
    }
}

/// An instant on a day, by which it is that day here and nearly everywhere.
fn noon_ms(day: Date) -> i64 {
    let noon = day.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::system());
    noon.map_or(0, |noon| noon.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(client: &str, storage: &str, at_ms: i64, bytes: u64) -> UsageOfClient {
        UsageOfClient {
            client: client.to_owned(),
            storage: storage.to_owned(),
            at_ms,
            bytes_exclusive: bytes,
            ..UsageOfClient::default()
        }
    }

    #[test]
    fn the_last_sample_of_a_day_counts_in_each_storage() {
        let noon_ms = 1_795_953_600_000;
        let samples = [
            sample("a", "disk", noon_ms, 1),
            sample("a", "disk", noon_ms + 60_000, 2),
            sample("a", "other", noon_ms + 1, 4),
            sample("a", "disk", noon_ms + 2 * DAY_MS, 8),
        ];
        let days = days(&samples);
        let sums: Vec<u64> = days
            .values()
            .map(|day| day.values().map(|sample| sample.bytes_exclusive).sum())
            .collect();
        assert_eq!(sums, [6, 8]);
    }

    #[test]
    fn sums_are_made_over_what_fits() {
        assert_eq!(Sum::of(0), Sum::Day);
        assert_eq!(Sum::of(90), Sum::Week);
        assert_eq!(Sum::of(3000), Sum::Month);
        let day: Date = "2026-12-02".parse().expect("it is a day");
        assert_eq!(Sum::Day.begin(day), day);
        assert_eq!(Sum::Week.begin(day).to_string(), "2026-11-30");
        assert_eq!(Sum::Month.begin(day).to_string(), "2026-12-01");
        assert_eq!(Sum::Month.next(Sum::Month.begin(day)).to_string(), "2027-01-01");
    }

    #[test]
    fn a_period_is_what_the_address_says() {
        let asked = |period: &str| AskedPeriod {
            period: period.to_owned(),
        };
        for period in Period::ALL {
            assert_eq!(asked(period.word()).period(), period);
        }
        assert_eq!(asked("").period(), Period::Quarter);
        assert_eq!(Period::Month.since_ms(31 * DAY_MS), DAY_MS);
        assert!(Period::All.since_ms(0) > 0, "0 would ask for what is now");
    }
}
