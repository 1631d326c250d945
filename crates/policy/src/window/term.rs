//! One window as it is written: days and hours.

use std::fmt;

use super::{MINUTES_PER_DAY, Opening};
use crate::Error;
use crate::text::Part;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// From how many consecutive days on a range is shown.
const RANGE_DAYS: usize = 3;

/// Hours on days of the week.
#[derive(Clone, Debug)]
pub struct Term {
    on: [Choice; 7],
    /// Sorted, each once.
    hours: Vec<Hours>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    In,
    Out,
}

/// Minutes since midnight: `from` is less than a day, `to` is at most a day and not 0. If it is less than `from`,
/// it is on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Hours {
    from: u32,
    to: u32,
}

impl Term {
    /// Reads days and hours.
    pub fn parse(part: Part<'_>) -> Result<Self, Error> {
        let (days, hours) = part.split_once('/').ok_or_else(|| Error::NotAWindow {
            part: part.owned(),
            column: part.column,
        })?;
        let mut hours: Vec<Hours> = hours.split(',').map(Hours::parse).collect::<Result<_, _>>()?;
        hours.sort_unstable();
        hours.dedup();
        Ok(Self {
            on: chosen_days(days)?,
            hours,
        })
    }

    /// What is open by this window. An opening of the last day may reach into the next week.
    pub fn openings(&self) -> impl Iterator<Item = Opening> {
        let midnights = (0..).step_by(MINUTES_PER_DAY as usize);
        let days = midnights.zip(self.on).filter(|(_, choice)| *choice == Choice::In);
        days.flat_map(|(midnight, _)| {
            self.hours.iter().map(move |hours| Opening {
                from: midnight + hours.from,
                to: midnight + hours.from + hours.len(),
            })
        })
    }

    fn is_on(&self, day: usize) -> bool {
        self.on[day % DAYS.len()] == Choice::In
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A range over the week's end begins at the end.
        let first = (0..DAYS.len()).find(|day| self.is_on(*day) && !self.is_on(day + DAYS.len() - 1));
        let first = first.unwrap_or(0);
        let mut day = first;
        while day < first + DAYS.len() {
            let run = (day..first + DAYS.len())
                .take_while(|day| self.is_on(*day))
                .count();
            let name = |day: usize| DAYS[day % DAYS.len()];
            if run > 0 && day > first {
                f.write_str(",")?;
            }
            if run >= RANGE_DAYS {
                write!(f, "{}-{}", name(day), name(day + run - 1))?;
            } else {
                let names: Vec<_> = (day..day + run).map(name).collect();
                f.write_str(&names.join(","))?;
            }
            day += run.max(1);
        }
        for (number, hours) in self.hours.iter().enumerate() {
            f.write_str(if number == 0 { "/" } else { "," })?;
            hours.fmt(f)?;
        }
        Ok(())
    }
}

impl Hours {
    fn parse(part: Part<'_>) -> Result<Self, Error> {
        let (from, to) = part.split_once('-').ok_or_else(|| Error::NotHours {
            part: part.owned(),
            column: part.column,
        })?;
        let not_a_time = |part: Part<'_>| Error::NotATime {
            part: part.owned(),
            column: part.column,
        };
        let begins = time_of_day(from).filter(|minutes| *minutes < MINUTES_PER_DAY);
        let begins = begins.ok_or_else(|| not_a_time(from))?;
        let ends = time_of_day(to).ok_or_else(|| not_a_time(to))?;
        if begins == ends {
            return Err(Error::EmptyHours {
                part: part.owned(),
                column: part.column,
            });
        }
        Ok(Self {
            from: begins,
            to: if ends == 0 { MINUTES_PER_DAY } else { ends },
        })
    }

    fn len(self) -> u32 {
        if self.to > self.from {
            self.to - self.from
        } else {
            MINUTES_PER_DAY - self.from + self.to
        }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (before, time) in [("", self.from), ("-", self.to)] {
            match (time / 60, time % 60) {
                (hour, 0) => write!(f, "{before}{hour}")?,
                (hour, minute) => write!(f, "{before}{hour}:{minute:02}")?,
            }
        }
        Ok(())
    }
}

fn chosen_days(part: Part<'_>) -> Result<[Choice; 7], Error> {
    let mut on = [Choice::Out; 7];
    for range in part.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (day_of_week(first)?, day_of_week(last)?);
        let count = (last + DAYS.len() - first) % DAYS.len() + 1;
        for day in first..first + count {
            on[day % DAYS.len()] = Choice::In;
        }
    }
    Ok(on)
}

fn day_of_week(part: Part<'_>) -> Result<usize, Error> {
    let by_number = ["1", "2", "3", "4", "5", "6", "7"]
        .iter()
        .position(|number| *number == part.text);
    let by_name = || DAYS.iter().position(|name| name.eq_ignore_ascii_case(part.text));
    by_number.or_else(by_name).ok_or_else(|| Error::NotADay {
        part: part.owned(),
        column: part.column,
    })
}

/// Minutes since midnight, up to a whole day.
fn time_of_day(part: Part<'_>) -> Option<u32> {
    let digits = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && text.len() <= 2)
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let (hour, minute) = match part.text.split_once(':') {
        Some((hour, minute)) => (digits(hour)?, digits(minute).filter(|_| minute.len() == 2)?),
        None => (digits(part.text)?, 0),
    };
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= MINUTES_PER_DAY).then_some(minutes)
}
