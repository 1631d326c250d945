//! Archive rules: their text, and which backups they archive until when.

use std::error::Error as _;

use policy::archive::{ArchiveRule, Backup, Keep, Until, What, due, next_ms};
use policy::schedule::Mode;
use policy::{Span, Target};
use proptest::prelude::*;

const DAY_MS: i64 = 86_400_000;
const NOW_MS: i64 = 1_798_416_000_000;

fn rule(text: &str) -> ArchiveRule {
    text.parse().expect(text)
}

fn full_files(started_ms: i64) -> Backup {
    Backup {
        target: Target::Files,
        mode: Mode::Full,
        started_ms,
    }
}

fn told(rule: &ArchiveRule, last_ms: Option<i64>, backup: &Backup) -> (Option<Until>, String) {
    let decision = due(rule, last_ms, backup);
    (decision.until, decision.reason.to_string())
}

#[test]
fn a_rule_shows_the_text_that_it_was_read_from() {
    let texts = [
        "every 30d keep 365d",
        "full file every 90d keep forever",
        "image every 7d keep 90d",
        "incremental every 1d12h keep 45min",
        "full image every 1s500ms keep 1min1s",
    ];
    for text in texts {
        assert_eq!(rule(text).to_string(), text);
    }
}

#[test]
fn a_rule_is_read_with_words_in_any_order_and_spans_of_several_units() {
    let expected = ArchiveRule {
        what: What {
            target: Some(Target::Image),
            mode: Some(Mode::Full),
        },
        every: Span::hours(36),
        keep: Keep::For(Span::days(90)),
    };
    assert_eq!(rule(" image  full every 1 d 12 h keep 90 d"), expected);
}

#[test]
fn what_is_wrong_with_a_rule_is_told() {
    let complaint = |text: &str| {
        let error = text.parse::<ArchiveRule>().expect_err(text);
        let source = error.source().map(|source| format!(": {source}"));
        format!("{error}{}", source.unwrap_or_default())
    };
    let cases = [
        ("", "\"every\" and an interval are missing"),
        ("full file", "\"every\" and an interval are missing"),
        (
            "every 30d",
            "\"keep\" and a time, or \"keep forever\", are missing",
        ),
        (
            "every 0d keep 1y",
            "an archive rule needs times of more than nothing",
        ),
        (
            "every 1d keep 0s",
            "an archive rule needs times of more than nothing",
        ),
        (
            "full incremental every 1d keep 1y",
            "\"incremental\" is one too many: there is one target and one mode at most",
        ),
        (
            "each 1d keep 1y",
            "\"each\" is unknown: before \"every\" stand \"full\" or \"incremental\", \"file\" or \"image\"",
        ),
        (
            "every keep 1y",
            "the interval after \"every\" can't be read: `` is not a length of time: \
             numbers with a unit, as in `45m`, `5h`, `1h 30m` or `30d`",
        ),
        (
            "every 1d keep forever and ever",
            "the time after \"keep\" can't be read: `forever and ever` is not a length of time: \
             numbers with a unit, as in `45m`, `5h`, `1h 30m` or `30d`",
        ),
        (
            "every 1mo keep 1y",
            "the interval after \"every\" can't be read: \
             `mo` is not a unit of time in `1mo`: ms, s, m or min, h, d, w, y",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(complaint(text), message, "{text:?}");
    }
}

#[test]
fn a_backup_is_archived_when_the_interval_has_passed() {
    let rule = rule("full file every 30d keep 1y");
    let until = |started_ms: i64| {
        Some(Until::Time {
            at_ms: started_ms + 365 * DAY_MS,
        })
    };
    let last_ms = NOW_MS - 30 * DAY_MS;
    let backup = full_files(NOW_MS);
    let first = (until(NOW_MS), "the rule has archived no backup yet".into());
    assert_eq!(told(&rule, None, &backup), first);
    let passed = (until(NOW_MS), "one every 30 d, the last began 30 d before".into());
    assert_eq!(told(&rule, Some(last_ms), &backup), passed);
    let too_soon = (
        None,
        "only one every 30 d, the last began 29 d 23 h before".into(),
    );
    assert_eq!(told(&rule, Some(last_ms + 1), &backup), too_soon);
}

#[test]
fn other_backups_are_not_archived() {
    let incremental = Backup {
        mode: Mode::Incremental,
        ..full_files(NOW_MS)
    };
    let image = Backup {
        target: Target::Image,
        ..full_files(NOW_MS)
    };
    let full_file = rule("full file every 30d keep forever");
    let others = (None, "the rule is for full file backups".into());
    assert_eq!(told(&full_file, None, &incremental), others);
    assert_eq!(told(&full_file, None, &image), others);
    assert_eq!(
        due(&full_file, None, &full_files(NOW_MS)).until,
        Some(Until::Forever)
    );
    let all = rule("every 30d keep forever");
    assert_eq!(due(&all, None, &image).until, Some(Until::Forever));
}

#[test]
fn a_clock_that_was_put_back_does_not_end_archiving() {
    let rule = rule("every 30d keep 1y");
    let ahead_ms = NOW_MS + 400 * DAY_MS;
    let decision = due(&rule, Some(ahead_ms), &full_files(NOW_MS));
    assert!(decision.until.is_some());
    assert_eq!(
        decision.reason.to_string(),
        "the last archived one began in the future"
    );
    assert_eq!(next_ms(&rule, Some(ahead_ms), NOW_MS), NOW_MS);
    // A backup that began a little earlier and ended later is none of that.
    assert_eq!(due(&rule, Some(NOW_MS + DAY_MS), &full_files(NOW_MS)).until, None);
}

#[test]
fn the_later_end_is_the_greater() {
    let [soon, late] = [1, 2].map(|at_ms| Until::Time { at_ms });
    assert!(soon < late && late < Until::Forever);
    assert_eq!(
        (soon.covers(0), soon.covers(1), Until::Forever.covers(i64::MAX)),
        (true, false, true)
    );
    let shown = [NOW_MS, i64::MIN, i64::MAX].map(|at_ms| Until::Time { at_ms }.to_string());
    let expected = [
        "until 2026-12-28T00:00:00Z",
        "until before the calendar",
        "until beyond the calendar",
    ];
    assert_eq!(shown, expected);
}

prop_compose! {
    fn any_rule()(
        target in prop::option::of(prop_oneof![Just(Target::Files), Just(Target::Image)]),
        mode in prop::option::of(prop_oneof![Just(Mode::Full), Just(Mode::Incremental)]),
        every in 1..=u64::MAX,
        keep in prop::option::of(1..=u64::MAX),
    ) -> ArchiveRule {
        ArchiveRule {
            what: What { target, mode },
            every: Span { len_ms: every },
            keep: keep.map_or(Keep::Forever, |len_ms| Keep::For(Span { len_ms })),
        }
    }
}

proptest! {
    #[test]
    fn the_text_of_a_rule_gives_the_rule(rule in any_rule()) {
        prop_assert_eq!(rule.to_string().parse(), Ok(rule));
    }

    #[test]
    fn no_text_is_too_strange_to_refuse(text in "(full |file |every |keep |forever|[0-9]{1,21}|[a-z ]|\\PC){0,9}") {
        let _ = text.parse::<ArchiveRule>();
        let _ = text.parse::<Span>();
    }

    #[test]
    fn a_backup_at_the_next_time_is_archived_and_none_before(
        days in 1..100_u64, last_ms in prop::option::of(NOW_MS - 100 * DAY_MS..NOW_MS + 300 * DAY_MS), wait in 1..DAY_MS,
    ) {
        let rule = ArchiveRule { every: Span::days(days), ..rule("every 1d keep forever") };
        let next_ms = next_ms(&rule, last_ms, NOW_MS);
        prop_assert!(next_ms >= NOW_MS);
        prop_assert!(due(&rule, last_ms, &full_files(next_ms)).until.is_some());
        if next_ms - wait >= NOW_MS {
            prop_assert_eq!(due(&rule, last_ms, &full_files(next_ms - wait)).until, None);
        }
    }
}
