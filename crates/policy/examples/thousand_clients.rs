//! Measures how long it takes to decide for a thousand clients: `cargo run -p policy --example thousand_clients`, which is also a part of
//! `cargo xtask figures`.

use std::time::Instant;

use jiff::tz::TimeZone;
use policy::Span;
use policy::Target;
use policy::admission::{Limits, Waiting, admit};
use policy::schedule::{Case, Due, History, Interval, Mode, Rules, Situation, next, outlook};
use policy::timed::Timed;

const CLIENTS: u64 = 1000;
const NOW_MS: i64 = 1_790_000_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let zone = TimeZone::get("Europe/Berlin")?;
    let rules = [rules(Target::Files)?, rules(Target::Image)?];
    let situation = Situation {
        connected_since_ms: Some(NOW_MS - 3_600_000),
        ..Situation::default()
    };
    let histories: Vec<History> = (0..CLIENTS).map(history).collect();
    let case = |(seed, target): (u64, Target)| Case {
        target,
        rules: &rules[target as usize],
        history: &histories[seed as usize],
        situation: &situation,
        seed,
        zone: &zone,
        now_ms: NOW_MS,
    };
    let both = |seed| Target::ALL.map(|target| (seed, target));
    let cases: Vec<_> = (0..CLIENTS).flat_map(both).map(case).collect();

    let begin = Instant::now();
    let is_now = |case: &&Case<'_>| matches!(next(case).due, Due::Now(_));
    let now = cases.iter().filter(is_now).count();
    println!("{} decisions, {now} to begin now: {}", cases.len(), took(begin));

    let begin = Instant::now();
    let outlooks = cases.iter().flat_map(outlook);
    let hindrances: usize = outlooks.map(|outlook| outlook.hindrances.len()).sum();
    println!("as many outlooks, {hindrances} hindrances: {}", took(begin));

    let waiting: Vec<_> = cases.iter().map(waiting).collect();
    let begin = Instant::now();
    let turns = admit(&Limits::default(), &[], &waiting, NOW_MS);
    println!("{} that wait for a slot: {}", turns.len(), took(begin));
    Ok(())
}

fn took(since: Instant) -> String {
    format!("{:.3} ms", since.elapsed().as_secs_f64() * 1000.0)
}

fn rules(target: Target) -> Result<Rules, policy::Error> {
    let mut rules = Rules::usual(target);
    rules.full.window = "Mon-Fri/19-7;Sat,Sun/0-24".parse()?;
    rules.incremental.window = "Mon-Fri/19-7;Sat,Sun/0-24".parse()?;
    rules.incremental.interval = Timed::parse("5h;1h@Mon-Fri/18-22", str::parse::<Interval>)?;
    rules.catch_up_after = Some(Span::days(2));
    Ok(rules)
}

fn waiting(case: &Case<'_>) -> Waiting<u64> {
    Waiting {
        client: case.seed,
        target: case.target,
        priority: 0,
        due_ms: NOW_MS - case.seed as i64 * 1000,
    }
}

fn history(seed: u64) -> History {
    let full_ms = NOW_MS - (seed % 40) as i64 * 86_400_000;
    let incremental_ms = NOW_MS - (seed % 70) as i64 * 3_600_000;
    History::of(
        [(Mode::Full, full_ms), (Mode::Incremental, incremental_ms)],
        NOW_MS,
    )
}
