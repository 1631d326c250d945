//! The clients of the year: when they are there, what is wanted of them, and how they fail.

use policy::Span;
use policy::Target;
use policy::schedule::{Interval, ModeRules, Power, Rules};

use crate::server::{DAY, HOUR};

/// How a client lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It never goes.
    AlwaysOn,
    /// On working days it is there for some hours from this one on.
    OfficeHours {
        /// From then on.
        from: i64,
        /// For so long.
        hours: i64,
    },
    /// It is not there for 120 days.
    AwayInSummer,
    /// Every try fails for 14 days.
    BrokenInJune,
}

/// A client before the year begins.
pub struct Member {
    /// How it lives.
    pub habit: Habit,
    /// What is wanted of its files.
    pub files: Rules,
    /// What is wanted of its volumes.
    pub images: Rules,
}

/// 30 servers, 18 laptops, one that goes away and one that breaks.
pub fn fleet() -> Vec<Member> {
    let servers = (0..30).map(|number| match number % 3 {
        0 => member(Habit::AlwaysOn, "5h", "always"),
        1 => member(Habit::AlwaysOn, "1d", "Mon-Sun/19-7"),
        _ => member(Habit::AlwaysOn, "4h", "Mon-Fri/19-7;Sat,Sun/0-24"),
    });
    let laptops = (0..18).map(|number| {
        let habit = Habit::OfficeHours {
            from: 7 + number % 4,
            hours: 6 + number % 5,
        };
        match number % 2 {
            0 => member(habit, "3h", "always"),
            // Never on at night: it is the catching up that saves them.
            _ => member(habit, "1d", "Mon-Sun/22-5"),
        }
    });
    let others = [
        member(Habit::AwayInSummer, "5h", "always"),
        member(Habit::BrokenInJune, "5h", "always"),
    ];
    servers.chain(laptops).chain(others).collect()
}

impl Member {
    /// What is wanted of a target.
    pub fn rules(&self, target: Target) -> &Rules {
        match target {
            Target::Files => &self.files,
            Target::Image => &self.images,
        }
    }
}

impl Habit {
    /// Tells whether the client is there.
    pub fn is_there(self, minute: i64, weekday: i64, minute_of_day: i64) -> bool {
        match self {
            Self::AlwaysOn | Self::BrokenInJune => true,
            Self::OfficeHours { from, hours } => {
                weekday < 5 && (from * HOUR..(from + hours) * HOUR).contains(&minute_of_day)
            }
            Self::AwayInSummer => !(100 * DAY..220 * DAY).contains(&minute),
        }
    }

    /// What the client runs on. Laptops are carried around in the afternoon of some days.
    pub fn power(self, weekday: i64, minute_of_day: i64) -> Power {
        match self {
            Self::OfficeHours { .. } if weekday % 2 == 1 && minute_of_day > 13 * HOUR => Power::Battery,
            Self::OfficeHours { .. } => Power::Mains,
            _ => Power::Unknown,
        }
    }

    /// Tells whether a try that ends then comes to nothing: one of 16, by the throw of a die.
    pub fn fails(self, minute: i64, die: u64) -> bool {
        let broken = self == Self::BrokenInJune && (150 * DAY..164 * DAY).contains(&minute);
        broken || die.is_multiple_of(16)
    }
}

fn member(habit: Habit, every: &str, window: &str) -> Member {
    let laptop = matches!(habit, Habit::OfficeHours { .. });
    let catch_up_after = laptop.then_some(Span::days(1));
    let usual = Rules::usual(Target::Files);
    let files = Rules {
        full: ModeRules {
            window: window.parse().expect("windows"),
            ..usual.full.clone()
        },
        incremental: ModeRules {
            interval: policy::timed::Timed::parse(every, str::parse::<Interval>).expect("an interval"),
            window: window.parse().expect("windows"),
            ..usual.incremental.clone()
        },
        catch_up_after,
        ..usual
    };
    let usual = Rules::usual(Target::Image);
    let weekend = "Sat,Sun/0-24".parse().expect("windows");
    let images = Rules {
        incremental: ModeRules {
            window: if laptop {
                "always".parse().expect("windows")
            } else {
                weekend
            },
            ..usual.incremental.clone()
        },
        catch_up_after,
        ..usual
    };
    Member { habit, files, images }
}
