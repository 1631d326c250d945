//! When a storage will be full, if it goes on as it did.

use maud::{Markup, html};
use wire::v1::StorageInfo;

use crate::parts::say::now_ms;
use crate::visitor::Visitor;

const DAY_MS: i64 = 86_400_000;
/// What is full before that needs somebody.
const SOON_DAYS: i64 = 30;
/// From so many days on they are told as weeks, and from so many on as months.
const WEEKS_FROM: i64 = 14;
const MONTHS_FROM: i64 = 120;

/// A span of days as people tell one: the text for its unit, and how many of it.
fn told(days: i64) -> (&'static str, i64) {
    let nearest = |unit: i64| (days + unit / 2) / unit;
    match days {
        ..WEEKS_FROM => ("days", days.max(0)),
        WEEKS_FROM..MONTHS_FROM => ("weeks", nearest(7)),
        _ => ("months", nearest(30)),
    }
}

/// How fast a storage fills, and when it is full; nothing where nobody knows.
pub fn show(visitor: &Visitor, place: &StorageInfo) -> Markup {
    let Some(growth) = place.growth_bytes_per_day else {
        return html! {};
    };
    let bytes = visitor.language.bytes(growth.unsigned_abs());
    let pace = match growth {
        1.. => "forecast-grows",
        0 => "forecast-stays",
        _ => "forecast-shrinks",
    };
    html! {
        p.hint {
            (visitor.language.say_with(pace, &[("bytes", bytes.into())]))
            @if let Some(full_ms) = place.full_ms { " " (full(visitor, full_ms)) }
        }
    }
}

fn full(visitor: &Visitor, full_ms: i64) -> Markup {
    let days = full_ms.saturating_sub(now_ms()) / DAY_MS;
    let (unit, count) = told(days);
    let values = [
        ("count", count.into()),
        ("date", visitor.language.date(full_ms).into()),
    ];
    let text = visitor
        .language
        .say_with(&format!("forecast-full-{unit}"), &values);
    html! {
        @if days < SOON_DAYS { span.badge.late { (visitor.say("forecast-soon")) } " " strong.soon { (text) } }
        @else { (text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    #[test]
    fn far_times_are_told_in_large_units() {
        assert_eq!(told(-3), ("days", 0));
        assert_eq!(told(13), ("days", 13));
        assert_eq!(told(14), ("weeks", 2));
        assert_eq!(told(25), ("weeks", 4));
        assert_eq!(told(119), ("weeks", 17));
        assert_eq!(told(120), ("months", 4));
        assert_eq!(told(3650), ("months", 122));
    }

    #[test]
    fn every_unit_has_its_text() {
        for unit in ["days", "weeks", "months"] {
            for language in Language::ALL {
                assert!(language.has(&format!("forecast-full-{unit}")), "{unit}");
            }
        }
    }
}
