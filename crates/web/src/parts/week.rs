//! Text fields for times of the week, beside which a script (`week.js`) puts a week to paint. The text is what counts; where no
//! script runs it is all there is.

use maud::{Markup, html};
use wire::v1::ExplainedSetting;

use crate::assets;
use crate::visitor::Visitor;

/// How the text of a setting tells times of the week, in the script's words; nothing where it tells none.
pub fn syntax(setting: &ExplainedSetting) -> Option<&'static str> {
    // Values with exceptions are the only ones that have this sign, and windows the only ones whose hours stand alone.
    match (setting.takes.contains("@Mon"), setting.takes.contains("Mon-Fri/")) {
        (true, _) => Some("timed"),
        (false, true) => Some("windows"),
        (false, false) => None,
    }
}

/// The script with its texts.
pub fn scripts(visitor: &Visitor) -> Markup {
    let days = |kind: &str| {
        let names = (1..=7).map(|day| visitor.say(&format!("weekday-{kind}{day}")));
        names.collect::<Vec<_>>().join(",")
    };
    let text = |name: &str| visitor.say(&format!("week-{name}"));
    html! {
        div #week-texts hidden data-days=(days("")) data-short=(days("short-")) data-open=(text("open")) data-closed=(text("closed"))
            data-label=(text("label")) data-help=(text("help")) data-palette=(text("palette"))
            data-inexact=(text("inexact")) data-unreadable=(text("unreadable")) {}
        script src=(assets::address("week.js")) defer {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_week_are_known_by_what_a_setting_takes() {
        let found = |takes: &str| {
            syntax(&ExplainedSetting {
                takes: takes.to_owned(),
                ..ExplainedSetting::default()
            })
        };
        assert_eq!(
            found("weekly windows such as \"Mon-Fri/19-7;Sat,Sun/0-24\", or \"always\""),
            Some("windows")
        );
        assert_eq!(
            found("a speed; other times of the week after it, as in \"off;2M@Mon-Fri/8-18\""),
            Some("timed")
        );
        assert_eq!(found("a span of time such as \"5min\" or \"30d\""), None);
    }
}
