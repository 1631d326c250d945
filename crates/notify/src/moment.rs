//! A moment together with the offset of the place where it is told.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A moment between 1970 and 9999 and the local time's offset then. As text it is RFC 3339 to the second, with the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    timestamp: Timestamp,
    offset: Offset,
}

impl Moment {
    /// Takes a moment in milliseconds since the Unix epoch, to be told in `zone`. What lies outside of 1970 to 9999 is moved to its edge.
    pub fn new(at_ms: i64, zone: &TimeZone) -> Self {
        let at_seconds = at_ms.div_euclid(1000);
        let edge = if at_ms < 0 {
            Timestamp::UNIX_EPOCH
        } else {
            Timestamp::MAX
        };
        let timestamp = Timestamp::from_second(at_seconds.max(0)).unwrap_or(edge);
        Self {
            timestamp,
            offset: zone.to_offset(timestamp),
        }
    }

    /// Returns the date of a mail (RFC 5322, section 3.3).
    pub(crate) fn mail_date(self) -> String {
        let zoned = self.timestamp.to_zoned(self.offset.to_time_zone());
        jiff::fmt::rfc2822::to_string(&zoned).expect("years from 1970 to 9999 have four digits")
    }

    /// Returns the seconds since the Unix epoch.
    pub(crate) fn unix_seconds(self) -> i64 {
        self.timestamp.as_second()
    }

    /// Returns the local time for people, to the minute.
    pub(crate) fn for_people(self) -> String {
        let local = self.offset.to_datetime(self.timestamp);
        format!("{} {}", local.strftime("%Y-%m-%d %H:%M"), self.offset_text())
    }

    fn offset_text(self) -> String {
        let minutes = self.offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

impl FromStr for Moment {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Moment { text: text.into() };
        let timestamp: Timestamp = text.parse().map_err(|_| wrong())?;
        let offset = match Pieces::parse(text).map_err(|_| wrong())?.offset() {
            Some(PiecesOffset::Numeric(offset)) => offset.offset(),
            _ => Offset::UTC,
        };
        if timestamp.as_second() < 0 {
            return Err(wrong());
        }
        Ok(Self::new(timestamp.as_millisecond(), &offset.to_time_zone()))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.offset.to_datetime(self.timestamp);
        write!(f, "{}{}", local.strftime("%Y-%m-%dT%H:%M:%S"), self.offset_text())
    }
}

impl TryFrom<String> for Moment {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_offset_is_kept() {
        let text = "2026-05-01T06:30:15+02:00";
        let moment: Moment = text.parse().expect("RFC 3339");
        assert_eq!(moment.to_string(), text);
        assert_eq!(moment.unix_seconds(), 1_777_609_815);
        assert_eq!(moment.mail_date(), "Fri, 1 May 2026 06:30:15 +0200");
        assert_eq!(moment.for_people(), "2026-05-01 06:30 +02:00");
        let utc: Moment = "2026-05-01T04:30:15Z".parse().expect("RFC 3339");
        assert_eq!(utc.to_string(), "2026-05-01T04:30:15+00:00");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-05-01",
            "2026-05-01T06:30:15",
            "1969-12-31T23:59:59Z",
        ] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_number_makes_a_moment_that_reads_back(at_ms: i64, offset_minutes in -1439i32..=1439) {
            let zone = Offset::from_seconds(offset_minutes * 60).expect("less than a day").to_time_zone();
            let moment = Moment::new(at_ms, &zone);
            let _ = moment.mail_date();
            // Local time may leave the range of years of RFC 3339 at its edges.
            if (86_400_000..253_402_000_000_000).contains(&at_ms) {
                prop_assert_eq!(moment.to_string().parse::<Moment>().expect("reads back"), moment);
            }
        }
    }
}
