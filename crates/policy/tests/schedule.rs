//! When backups are due: the rules by example, then for any history.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use policy::Span;
use policy::Target;
use policy::schedule::{
    Allowance, Case, Decision, Due, Failures, Hindrance, History, Interval, Kind, Link, Mode, ModeRules,
    Outlook, Power, Reason, Rules, Situation, next, outlook,
};
use policy::timed::Timed;
use proptest::prelude::*;

const FULL: Kind = Kind::new(Target::Files, Mode::Full);
const INCREMENTAL: Kind = Kind::new(Target::Files, Mode::Incremental);
/// Of the client that the jitter lets begin first.
const SEED_OF_NO_WAIT: u64 = 0;

/// A client that has been connected for long, and what is known of it. Wednesday noon, if nothing else is said.
#[derive(Clone, Debug)]
struct Scene {
    rules: Rules,
    history: History,
    situation: Situation,
    seed: u64,
    zone: TimeZone,
    now_ms: i64,
}

impl Scene {
    fn at(local: &str) -> Self {
        let zone = berlin();
        let now_ms = at(local);
        Self {
            rules: Rules::usual(Target::Files),
            history: History::default(),
            situation: Situation {
                connected_since_ms: Some(now_ms - Span::days(100).len_ms as i64),
                ..Situation::default()
            },
            seed: SEED_OF_NO_WAIT,
            zone,
            now_ms,
        }
    }

    fn noon() -> Self {
        Self::at("2026-03-04T12:00")
    }

    fn with_full(mut self, ago: Span) -> Self {
        self.history.full_ms = Some(self.ago(ago));
        self
    }

    fn with_incremental(mut self, ago: Span) -> Self {
        self.history.incremental_ms = Some(self.ago(ago));
        self
    }

    fn windows(mut self, full: &str, incremental: &str) -> Self {
        self.rules.full.window = full.parse().expect("windows");
        self.rules.incremental.window = incremental.parse().expect("windows");
        self
    }

    fn intervals(mut self, full: &str, incremental: &str) -> Self {
        let read = |text| Timed::parse(text, str::parse::<Interval>).expect("an interval");
        self.rules.full.interval = read(full);
        self.rules.incremental.interval = read(incremental);
        self
    }

    fn ago(&self, ago: Span) -> i64 {
        self.now_ms - ago.len_ms as i64
    }

    fn case(&self) -> Case<'_> {
        Case {
            target: Target::Files,
            rules: &self.rules,
            history: &self.history,
            situation: &self.situation,
            seed: self.seed,
            zone: &self.zone,
            now_ms: self.now_ms,
        }
    }

    fn next(&self) -> Decision {
        next(&self.case())
    }

    fn due(&self) -> Due {
        self.next().due
    }

    fn reason(&self) -> String {
        self.next().reason.to_string()
    }

    fn outlook(&self) -> [Outlook; 2] {
        outlook(&self.case())
    }

    fn hindrances(&self, mode: Mode) -> Vec<String> {
        let [full, incremental] = self.outlook();
        let of_mode = match mode {
            Mode::Full => full,
            Mode::Incremental => incremental,
        };
        of_mode.hindrances.iter().map(ToString::to_string).collect()
    }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("the zone is known")
}

fn at(local: &str) -> i64 {
    let local: DateTime = local.parse().expect("a date and a time");
    let zoned = local.to_zoned(berlin()).expect("an instant");
    zoned.timestamp().as_millisecond()
}

fn later(kind: Kind, local: &str) -> Due {
    Due::Later {
        kind,
        at_ms: at(local),
    }
}

#[test]
fn the_four_kinds_have_names() {
    let names = Kind::ALL.map(|kind| kind.to_string());
    assert_eq!(
        names,
        [
            "full file backup",
            "incremental file backup",
            "full image backup",
            "incremental image backup"
        ]
    );
}

#[test]
fn the_first_backup_is_full_and_due_at_once() {
    let scene = Scene::noon();
    assert_eq!(
        (scene.due(), scene.reason().as_str()),
        (Due::Now(FULL), "there is no backup yet")
    );
    assert_eq!(scene.clone().intervals("off", "5h").due(), Due::Now(FULL));
    assert_eq!(scene.intervals("30d", "off").due(), Due::Now(FULL));
}

#[test]
fn the_first_backup_waits_for_the_window_of_full_ones_and_without_such_of_incremental_ones() {
    let scene = Scene::noon().windows("Mon-Fri/20-6", "Mon-Fri/19-7");
    assert_eq!(scene.due(), later(FULL, "2026-03-04T20:00"));
    assert_eq!(scene.reason(), "outside of its window Mon-Fri/20-6");
    let scene = scene.intervals("off", "5h");
    assert_eq!(scene.due(), later(FULL, "2026-03-04T19:00"));
}

#[test]
fn an_incremental_follows_any_backup() {
    let scene = Scene::noon().with_full(Span::hours(2));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-04T15:00"));
    assert_eq!(scene.reason(), "one every 5 h, the last began 2 h ago");
    let scene = scene.with_full(Span::days(2)).with_incremental(Span::hours(5));
    assert_eq!(scene.due(), Due::Now(INCREMENTAL));
}

#[test]
fn a_full_backup_goes_before_an_incremental_one() {
    let scene = Scene::noon()
        .with_full(Span::days(31))
        .with_incremental(Span::hours(9));
    assert_eq!(scene.due(), Due::Now(FULL));
    assert_eq!(scene.reason(), "one every 30 d, the last began 31 d ago");
    assert_eq!(scene.hindrances(Mode::Incremental), ["a full backup goes first"]);
    assert_eq!(scene.outlook()[1].begins_ms, Some(at("2026-03-04T17:00")));
    let taken_over = Scene::noon().with_incremental(Span::hours(1));
    assert_eq!(taken_over.due(), Due::Now(FULL));
    assert_eq!(taken_over.reason(), "there is no full backup yet");
}

#[test]
fn a_full_backup_that_is_held_back_does_not_hold_back_the_incremental_one() {
    let due = Scene::noon()
        .with_full(Span::days(31))
        .with_incremental(Span::hours(9));
    assert_eq!(
        due.clone().windows("Sat,Sun/0-24", "always").due(),
        Due::Now(INCREMENTAL)
    );
    let mut on_battery = due.clone();
    on_battery.situation.power = Power::Battery;
    assert_eq!(on_battery.due(), Due::Now(INCREMENTAL));
    assert_eq!(on_battery.hindrances(Mode::Full), ["the client runs on battery"]);
    let mut metered = due;
    metered.situation.link = Link::Metered;
    assert_eq!(metered.due(), Due::Now(INCREMENTAL));
    // But the first backup can only be a full one.
    let mut first = Scene::noon();
    first.situation.power = Power::Battery;
    assert!(matches!(first.due(), Due::WhenPossible { kind: FULL, .. }));
    assert_eq!(first.reason(), "the client runs on battery");
    assert_eq!(first.hindrances(Mode::Incremental), ["a full backup goes first"]);
}

#[test]
fn switched_off_is_never_due() {
    let off = Scene::noon().intervals("off", "off;off@Mon-Fri/8-18");
    assert_eq!((off.due(), off.next().reason), (Due::Never, Reason::Off));
    assert_eq!(off.hindrances(Mode::Full), ["switched off"]);
    let full_off = Scene::noon()
        .intervals("off", "5h")
        .with_full(Span::days(400))
        .with_incremental(Span::hours(6));
    assert_eq!(full_off.due(), Due::Now(INCREMENTAL));
    assert_eq!(full_off.outlook()[0].due_ms, None);
}

#[test]
fn a_window_that_never_opens_is_said_so() {
    let scene = Scene::noon().windows("never", "never").with_full(Span::days(1));
    let due_ms = at("2026-03-03T17:00");
    assert_eq!(
        scene.due(),
        Due::WhenPossible {
            kind: INCREMENTAL,
            due_ms
        }
    );
    assert_eq!(scene.reason(), "outside of its window never");
    let never_at_once = Scene::noon()
        .intervals("off", "off;1h@Sat/0-24")
        .windows("always", "Mon/0-24");
    assert!(matches!(
        never_at_once.with_full(Span::days(1)).due(),
        Due::WhenPossible {
            kind: INCREMENTAL,
            ..
        }
    ));
}

#[test]
fn tries_after_failures_are_ever_further_apart() {
    for (count, minutes) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (200, 60)] {
        let mut scene = Scene::noon();
        scene.history.failures = Some(Failures {
            count,
            last_ms: scene.now_ms,
        });
        let at_ms = Span::minutes(minutes).after(scene.now_ms);
        assert_eq!(scene.due(), Due::Later { kind: FULL, at_ms }, "{count} failures");
    }
    let mut scene = Scene::noon();
    scene.history.failures = Some(Failures {
        count: 2,
        last_ms: scene.now_ms,
    });
    assert_eq!(
        scene.reason(),
        "the last 2 tries failed, the next one waits 10 min"
    );
    // The wait ends before the window opens.
    assert_eq!(
        scene.windows("Mon-Fri/19-7", "always").reason(),
        "outside of its window Mon-Fri/19-7"
    );
}

#[test]
fn a_backup_waits_for_its_window() {
    let scene = Scene::noon()
        .windows("always", "Mon-Fri/19-7")
        .with_full(Span::hours(9));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-04T19:00"));
    assert_eq!(scene.reason(), "outside of its window Mon-Fri/19-7");
    let [_, incremental] = scene.outlook();
    assert_eq!(incremental.due_ms, Some(at("2026-03-04T08:00")));
    assert_eq!(incremental.begins_ms, Some(at("2026-03-04T19:00")));
    assert_eq!(incremental.hindrances.len(), 1);
    assert_eq!(incremental.hindrances[0].ends_ms(), Some(at("2026-03-04T19:00")));
    // Due in the night from Friday to Saturday, but not before the window closes.
    let weekend = Scene::at("2026-03-07T06:00")
        .windows("always", "Mon-Fri/19-7")
        .with_full(Span::hours(3));
    assert_eq!(weekend.due(), later(INCREMENTAL, "2026-03-09T19:00"));
}

#[test]
fn a_window_in_the_hour_that_is_skipped_opens_the_day_after() {
    let scene = Scene::at("2026-03-28T12:00")
        .windows("always", "Mon-Sun/2-3")
        .with_full(Span::days(1));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-30T02:00"));
}

#[test]
fn a_daily_backup_stays_24_hours_apart_when_the_clocks_change() {
    let scene = Scene::at("2026-03-28T12:00")
        .intervals("off", "1d")
        .with_full(Span::hours(0));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-29T13:00"));
    let leap_day = Scene::at("2024-02-28T12:00")
        .intervals("off", "1d")
        .with_full(Span::hours(0));
    assert_eq!(leap_day.due(), later(INCREMENTAL, "2024-02-29T12:00"));
}

#[test]
fn what_is_overdue_for_long_does_not_wait_for_its_window() {
    let mut scene = Scene::noon()
        .windows("always", "Mon-Sun/0-5")
        .with_full(Span::days(3))
        .with_incremental(Span::hours(28));
    scene.rules.catch_up_after = Some(Span::days(1));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-04T13:00"));
    assert_eq!(scene.reason(), "outside of its window Mon-Sun/0-5");
    scene = scene.with_incremental(Span::hours(29));
    assert_eq!(scene.due(), Due::Now(INCREMENTAL));
    assert_eq!(
        scene.reason(),
        "overdue for 1 d, so that its window does not count"
    );
    assert_eq!(scene.hindrances(Mode::Incremental), [""; 0]);
    let mut first = Scene::noon().windows("Sat/0-5", "Sat/0-5");
    first.rules.catch_up_after = Some(Span::days(1));
    assert_eq!(
        (first.due(), first.reason().as_str()),
        (Due::Now(FULL), "there is no backup yet")
    );
}

#[test]
fn a_client_that_is_not_connected_is_waited_for() {
    let mut scene = Scene::noon().with_full(Span::hours(9));
    scene.situation.connected_since_ms = None;
    let due_ms = at("2026-03-04T08:00");
    assert_eq!(
        scene.due(),
        Due::WhenPossible {
            kind: INCREMENTAL,
            due_ms
        }
    );
    assert_eq!(scene.reason(), "the client is not connected");
    let [full, incremental] = scene.outlook();
    assert_eq!((full.begins_ms, incremental.begins_ms), (None, None));
}

#[test]
fn a_client_is_left_alone_after_it_has_connected() {
    let mut scene = Scene::noon().with_full(Span::hours(9));
    scene.rules.start_delay = Span::minutes(15);
    scene.situation.connected_since_ms = Some(scene.ago(Span::minutes(5)));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-04T12:10"));
    assert_eq!(
        scene.reason(),
        "the client is left alone for 15 min after it connects"
    );
    // A clock that was put back since counts it from now on.
    scene.situation.connected_since_ms = Some(Span::days(1).after(scene.now_ms));
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-04T12:15"));
}

#[test]
fn a_pause_ends() {
    let mut scene = Scene::noon();
    scene.situation.paused_until_ms = Some(at("2026-03-05T08:00"));
    assert_eq!(
        (scene.due(), scene.reason().as_str()),
        (later(FULL, "2026-03-05T08:00"), "paused")
    );
    scene.situation.paused_until_ms = Some(scene.now_ms);
    assert_eq!(scene.due(), Due::Now(FULL));
}

#[test]
fn everything_that_holds_a_backup_back_is_listed() {
    let mut scene = Scene::noon()
        .windows("Sat,Sun/0-24", "always")
        .with_full(Span::days(31));
    scene.situation = Situation {
        connected_since_ms: None,
        power: Power::Battery,
        link: Link::Metered,
        paused_until_ms: Some(at("2026-03-05T08:00")),
    };
    scene.history.failures = Some(Failures {
        count: 1,
        last_ms: scene.now_ms,
    });
    assert_eq!(
        scene.hindrances(Mode::Full),
        [
            "the client is not connected",
            "the client runs on battery",
            "the client's link is metered",
            "paused",
            "the last try failed, the next one waits 5 min",
            "outside of its window Sat,Sun/0-24",
        ]
    );
}

#[test]
fn intervals_depend_on_the_time_of_the_week() {
    // The shorter interval of the day begins to count at 8:00.
    let night = Scene::at("2026-03-04T06:00")
        .intervals("off", "5h;1h@Mon-Fri/8-18")
        .with_full(Span::hours(2));
    assert_eq!(night.due(), later(INCREMENTAL, "2026-03-04T08:00"));
    // It was due by the day's interval, but that of the night counts now.
    let evening = Scene::at("2026-03-04T18:30")
        .intervals("off", "5h;1h@Mon-Fri/8-18")
        .with_full(Span::hours(2));
    assert_eq!(evening.due(), later(INCREMENTAL, "2026-03-04T21:30"));
    let friday = Scene::at("2026-03-06T18:30")
        .intervals("off", "off;1h@Mon-Fri/8-18")
        .with_full(Span::hours(2));
    assert_eq!(friday.due(), later(INCREMENTAL, "2026-03-09T08:00"));
    assert_eq!(friday.hindrances(Mode::Incremental), ["switched off"]);
    let years = Scene::noon()
        .intervals("off", "9000y;8000y@Mon-Fri/8-18")
        .with_full(Span::hours(0));
    assert!(matches!(
        years.due(),
        Due::Later {
            kind: INCREMENTAL,
            ..
        }
    ));
}

#[test]
fn a_hundred_clients_do_not_begin_at_once_when_the_window_opens() {
    let mut scene = Scene::noon()
        .windows("always", "Mon-Fri/19-7")
        .with_full(Span::days(1));
    let opens_ms = at("2026-03-04T19:00");
    let mut minutes = [0_u32; 10];
    for seed in 0..100 {
        scene.seed = seed;
        let Due::Later { at_ms, .. } = scene.due() else {
            panic!("{:?}", scene.due())
        };
        minutes[((at_ms - opens_ms) / 60_000) as usize] += 1;
        // On the next day it begins at the same time.
        let mut then = scene.clone();
        then.now_ms = at_ms;
        assert_eq!(then.due(), Due::Now(INCREMENTAL));
        then.history.incremental_ms = Some(at_ms);
        then.now_ms = at("2026-03-05T07:00");
        let at_ms = Span::days(1).after(at_ms);
        assert_eq!(
            then.due(),
            Due::Later {
                kind: INCREMENTAL,
                at_ms
            }
        );
    }
    assert!(
        minutes.iter().all(|count| (8..=12).contains(count)),
        "{minutes:?}"
    );
}

#[test]
fn the_jitter_follows_connection_and_pause_but_not_the_interval() {
    let mut scene = Scene::noon().with_full(Span::hours(9));
    scene.seed = 1;
    scene.situation.connected_since_ms = Some(scene.now_ms);
    let Due::Later { at_ms, .. } = scene.due() else {
        panic!("{:?}", scene.due())
    };
    let wait = Span::between(scene.now_ms, at_ms);
    assert!(wait > Span::minutes(1) && wait < Span::minutes(10), "{wait}");
    assert_eq!(scene.reason(), "clients do not begin all at once");
    scene.situation.connected_since_ms = Some(0);
    scene.situation.paused_until_ms = Some(scene.now_ms);
    assert_eq!(
        scene.due(),
        Due::Later {
            kind: INCREMENTAL,
            at_ms
        }
    );
    scene.situation.paused_until_ms = None;
    assert_eq!(scene.with_full(Span::hours(5)).due(), Due::Now(INCREMENTAL));
}

#[test]
fn the_jitter_keeps_to_a_tenth_of_the_interval_and_half_of_the_window() {
    let mut scene = Scene::noon().with_full(Span::days(1));
    scene.rules.jitter = Span::days(7);
    let longest = |scene: &Scene| {
        let waits = (0..500).map(|seed| {
            match (Scene {
                seed,
                ..scene.clone()
            })
            .due()
            {
                Due::Later { at_ms, .. } => Span::between(scene.now_ms, at_ms),
                _ => Span::minutes(0),
            }
        });
        waits.max().expect("there are some")
    };
    scene.situation.connected_since_ms = Some(scene.now_ms);
    let wait = longest(&scene);
    assert!(wait < Span::minutes(30) && wait > Span::minutes(29), "{wait}");
    let scene = Scene::noon()
        .with_full(Span::days(1))
        .windows("always", "Mon-Sun/12-12:10");
    let wait = longest(&scene);
    assert!(wait < Span::minutes(5) && wait > Span::minutes(4), "{wait}");
    let mut first = Scene::noon();
    first.situation.connected_since_ms = Some(first.now_ms);
    assert_eq!(longest(&first), Span::minutes(0));
}

#[test]
fn backups_from_the_future_are_not_counted_from() {
    let scene = Scene::noon();
    let (past_ms, future_ms) = (scene.ago(Span::hours(1)), Span::days(400).after(scene.now_ms));
    let began = [
        (Mode::Full, past_ms),
        (Mode::Full, future_ms),
        (Mode::Incremental, future_ms),
    ];
    let history = History::of(began, scene.now_ms);
    assert_eq!((history.full_ms, history.incremental_ms), (Some(past_ms), None));
    assert_eq!(
        History::of([(Mode::Full, future_ms)], scene.now_ms),
        History::default()
    );
    // What was committed after them is the last, even when their time has come.
    let then_ms = Span::days(1).after(future_ms);
    let began = [
        (Mode::Full, past_ms),
        (Mode::Full, future_ms),
        (Mode::Full, scene.now_ms),
    ];
    assert_eq!(History::of(began, then_ms).full_ms, Some(scene.now_ms));
    // Where nothing else is known they count as now.
    let mut scene = Scene::noon();
    scene.history.full_ms = Some(future_ms);
    assert_eq!(scene.due(), later(INCREMENTAL, "2026-03-04T17:00"));
    // And no try waits for a failure that is still to come.
    let mut scene = Scene::noon();
    scene.history.failures = Some(Failures {
        count: 9,
        last_ms: future_ms,
    });
    assert_eq!(scene.due(), Due::Now(FULL));
}

const WINDOWS: [&str; 7] = [
    "always",
    "never",
    "Mon-Fri/19-7",
    "Sat,Sun/0-24",
    "Mon-Sun/2-3",
    "Sun/2:15-2:45",
    "Mon-Fri/8-18",
];

const INTERVALS: [&str; 9] = [
    "off",
    "5h",
    "1h",
    "30d",
    "1ms",
    "500000000y",
    "5h;1h@Mon-Fri/8-18",
    "off;3h@Sat,Sun/0-24",
    "7d;off@Mon-Sun/22-6;2h@Wed/12-14",
];

fn any_interval() -> impl Strategy<Value = Timed<Interval>> {
    let read = |text| Timed::parse(text, str::parse::<Interval>).expect("an interval");
    prop::sample::select(&INTERVALS[..]).prop_map(read)
}

fn any_allowance() -> impl Strategy<Value = Allowance> {
    prop_oneof![3 => Just(Allowance::Allowed), 1 => Just(Allowance::Withheld)]
}

prop_compose! {
    fn any_mode_rules()(
        interval in any_interval(),
        window in prop::sample::select(&WINDOWS[..]),
        on_battery in any_allowance(),
        on_metered in any_allowance(),
    ) -> ModeRules {
        ModeRules { interval, window: window.parse().expect("windows"), on_battery, on_metered }
    }
}

fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![
        Just(Span::minutes(0)),
        (0..3_000_u64).prop_map(Span::minutes),
        any::<u64>().prop_map(|len_ms| Span { len_ms }),
    ]
}

prop_compose! {
    fn any_rules()(
        full in any_mode_rules(),
        incremental in any_mode_rules(),
        retry_first in any_span(),
        retry_most in any_span(),
        start_delay in any_span(),
        jitter in any_span(),
        catch_up_after in prop::option::of(any_span()),
    ) -> Rules {
        Rules { full, incremental, retry_first, retry_most, start_delay, jitter, catch_up_after }
    }
}

/// Mostly around one instant, with the weeks in which the clocks change.
fn any_ms() -> impl Strategy<Value = i64> {
    let march_ms = at("2026-03-29T00:00");
    let near_ms = march_ms - 2_000_000_000..march_ms + 2_000_000_000;
    prop_oneof![1 => any::<i64>(), 20 => near_ms]
}

prop_compose! {
    fn any_history()(
        full_ms in prop::option::weighted(0.8, any_ms()),
        incremental_ms in prop::option::of(any_ms()),
        failures in prop::option::weighted(0.2, (any::<u32>(), any_ms())),
    ) -> History {
        let failures = failures.map(|(count, last_ms)| Failures { count, last_ms });
        History { full_ms, incremental_ms, failures }
    }
}

prop_compose! {
    fn any_situation()(
        connected_since_ms in prop::option::weighted(0.9, any_ms()),
        power in prop::sample::select(vec![Power::Mains, Power::Battery, Power::Unknown]),
        link in prop::sample::select(vec![Link::Free, Link::Metered, Link::Unknown]),
        paused_until_ms in prop::option::weighted(0.2, any_ms()),
    ) -> Situation {
        Situation { connected_since_ms, power, link, paused_until_ms }
    }
}

prop_compose! {
    fn any_scene()(
        rules in any_rules(),
        history in any_history(),
        situation in any_situation(),
        seed in any::<u64>(),
        now_ms in any_ms(),
    ) -> Scene {
        Scene { rules, history, situation, seed, zone: berlin(), now_ms }
    }
}

/// Whether time alone will change nothing of what has happened: what lies in the future counts as now, and now moves on.
fn is_past(scene: &Scene) -> bool {
    let history = &scene.history;
    let times = [
        history.full_ms,
        history.incremental_ms,
        history.failures.map(|failures| failures.last_ms),
        scene.situation.connected_since_ms,
    ];
    times.into_iter().flatten().all(|time_ms| time_ms <= scene.now_ms)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_begins_outside_of_its_window_unless_it_catches_up(scene in any_scene()) {
        let Decision { due, reason } = scene.next();
        if let Due::Now(kind) | Due::Later { kind, .. } = due {
            let at_ms = match due {
                Due::Later { at_ms, .. } => at_ms,
                _ => scene.now_ms,
            };
            let is_first = scene.history.full_ms.or(scene.history.incremental_ms).is_none();
            let follows_incremental = is_first && scene.rules.full.is_off();
            let mode = if follows_incremental { Mode::Incremental } else { kind.mode };
            let is_open = scene.rules.of(mode).window.contains(at_ms, &scene.zone);
            prop_assert!(is_open || scene.rules.catch_up_after.is_some(), "{reason}");
            let catches_up = matches!(reason, Reason::CatchingUp { .. } | Reason::FirstBackup | Reason::NoFullBackup);
            prop_assert!(is_open || catches_up || matches!(due, Due::Later { .. }), "{reason}");
        }
    }

    #[test]
    fn what_begins_is_due_and_held_back_by_nothing(scene in any_scene()) {
        let [full, incremental] = scene.outlook();
        let may = |outlook: &Outlook| {
            outlook.due_ms.is_some_and(|due_ms| due_ms <= scene.now_ms) && outlook.hindrances.is_empty()
        };
        let expected = [&full, &incremental].into_iter().find(|outlook| may(outlook)).map(|outlook| outlook.kind);
        let begun = match scene.due() {
            Due::Now(kind) => Some(kind),
            _ => None,
        };
        prop_assert_eq!(begun, expected);
    }

    #[test]
    fn what_comes_later_comes_then_and_not_before(scene in any_scene()) {
        if let Due::Later { kind, at_ms } = scene.due() {
            prop_assert!(at_ms > scene.now_ms);
            if is_past(&scene) {
                let then = Scene { now_ms: at_ms, ..scene.clone() };
                prop_assert_eq!(then.due(), Due::Now(kind));
                let before = Scene { now_ms: at_ms - 1, ..scene.clone() };
                prop_assert_eq!(before.due(), Due::Later { kind, at_ms });
                let midway = scene.now_ms + (at_ms - scene.now_ms) / 2;
                let between = Scene { now_ms: midway.min(at_ms - 1), ..scene };
                prop_assert_eq!(between.due(), Due::Later { kind, at_ms });
            }
        }
    }

    #[test]
    fn decision_and_outlook_agree(scene in any_scene()) {
        let [full, incremental] = scene.outlook();
        let next_ms = match scene.due() {
            Due::Now(kind) => Some((kind.mode, scene.now_ms)),
            Due::Later { kind, at_ms } => Some((kind.mode, at_ms)),
            _ => None,
        };
        match next_ms {
            Some((Mode::Full, at_ms)) => prop_assert_eq!(full.begins_ms, Some(at_ms)),
            Some((Mode::Incremental, at_ms)) => {
                prop_assert_eq!(incremental.begins_ms, Some(at_ms));
                prop_assert!(full.begins_ms.is_none_or(|full_ms| full_ms > at_ms));
            }
            None => prop_assert_eq!((full.begins_ms, incremental.begins_ms), (None, None)),
        }
    }

    #[test]
    fn what_waits_has_a_reason(scene in any_scene()) {
        let Decision { due, reason } = scene.next();
        prop_assert!(!reason.to_string().is_empty());
        match (due, reason) {
            (Due::Never, reason) => prop_assert_eq!(reason, Reason::Off),
            (Due::WhenPossible { .. }, Reason::Hindered(hindrance)) => {
                prop_assert_eq!(Hindrance::ends_ms(&hindrance), None);
            }
            (Due::WhenPossible { .. }, reason) => prop_assert!(false, "{reason}"),
            (Due::Now(_), reason) => prop_assert!(!matches!(reason, Reason::Hindered(_) | Reason::Off)),
            (Due::Later { .. }, _) => {}
        }
    }
}
