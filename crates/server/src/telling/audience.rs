//! What a channel wants to know, and of whom.

use std::collections::BTreeSet;

use jiff::civil::Weekday;
use policy::alert::{Level, What};
use policy::report::{Every, Rhythm};
use serde::{Deserialize, Serialize};

/// The event of a backup that was made.
pub const BACKUP_MADE: &str = "backup-made";

/// What a channel wants to know, and of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Of which weight.
    pub tell: Tell,
    /// Events that it does not want to know all the same, as words.
    pub except: BTreeSet<String>,
    /// Only of these clients, and of those in `groups`; of all, and of the server, where both are empty.
    pub clients: BTreeSet<String>,
    /// Only of the clients in these groups, and of `clients`.
    pub groups: BTreeSet<String>,
    /// Its reports, if it wants any.
    pub report: Option<ReportOrder>,
}

/// Of which weight something has to be to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// Nothing is told but reports.
    Nothing,
    /// What failed, and when it is right again.
    Failures,
    /// What somebody should look into, too.
    Warnings,
    /// Every backup that is made, too.
    All,
}

/// Which reports are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOrder {
    /// On which days.
    pub on: ReportDay,
    /// At which hour, from 0 to 23.
    pub hour: u8,
    /// Whether those are sent that have nothing bad to tell.
    pub when: ReportWhen,
}

/// On which days there are reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "days of the week need no sentence")]
pub enum ReportDay {
    /// On each.
    Daily,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl ReportDay {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

/// Which reports are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportWhen {
    /// All.
    Always,
    /// Those that tell of failures.
    OnFailures,
}

/// Whom something concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern<'a> {
    /// The server as a whole.
    Server,
    /// A client.
    Client {
        /// Its name.
        name: &'a str,
        /// The group that it is in.
        group: Option<&'a str>,
    },
}

/// Whether a word is an event that a channel may not want to know.
pub fn is_event(word: &str) -> bool {
    word == BACKUP_MADE || word.parse::<What>().is_ok()
}

impl Audience {
    /// Whether it wants to know that this is wrong, or right again.
    pub fn wants(&self, what: What, concern: Concern<'_>) -> bool {
        let least = match what.level() {
            Level::Failure => Tell::Failures,
            Level::Warning => Tell::Warnings,
        };
        self.tell >= least && !self.except.contains(what.word()) && self.covers(concern)
    }

    /// Whether it wants to know something of this client or the server at all.
    pub fn covers(&self, concern: Concern<'_>) -> bool {
        let is_for_all = self.clients.is_empty() && self.groups.is_empty();
        match concern {
            Concern::Server => is_for_all,
            Concern::Client { name, group } => {
                let in_group = group.is_some_and(|group| self.groups.contains(group));
                is_for_all || in_group || self.clients.contains(name)
            }
        }
    }
}

impl ReportOrder {
    /// When its reports are made.
    pub fn rhythm(&self) -> Rhythm {
        let every = match self.on {
            ReportDay::Daily => Every::Day,
            ReportDay::Monday => Every::Week(Weekday::Monday),
            ReportDay::Tuesday => Every::Week(Weekday::Tuesday),
            ReportDay::Wednesday => Every::Week(Weekday::Wednesday),
            ReportDay::Thursday => Every::Week(Weekday::Thursday),
            ReportDay::Friday => Every::Week(Weekday::Friday),
            ReportDay::Saturday => Every::Week(Weekday::Saturday),
            ReportDay::Sunday => Every::Week(Weekday::Sunday),
        };
        Rhythm {
            every,
            hour: i8::try_from(self.hour).unwrap_or(i8::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(tell: Tell, clients: &[&str], groups: &[&str]) -> Audience {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Audience {
            tell,
            except: set(&["space-low"]),
            clients: set(clients),
            groups: set(groups),
            report: None,
        }
    }

    fn client<'a>(name: &'a str, group: Option<&'a str>) -> Concern<'a> {
        Concern::Client { name, group }
    }

    #[test]
    fn each_weight_has_those_above_it() {
        let table = [
            (Tell::Nothing, What::BackupFailed, false),
            (Tell::Failures, What::BackupFailed, true),
            (Tell::Failures, What::BackupProblems, false),
            (Tell::Warnings, What::BackupProblems, true),
            (Tell::All, What::BackupFailed, true),
            (Tell::All, What::SpaceLow, false),
        ];
        for (tell, what, wanted) in table {
            let of = audience(tell, &[], &[]);
            assert_eq!(of.wants(what, Concern::Server), wanted, "{tell:?}, {what}");
        }
    }

    #[test]
    fn who_asks_for_some_clients_hears_of_those_only() {
        let of_some = audience(Tell::All, &["anna"], &["laptops"]);
        assert!(of_some.covers(client("anna", None)));
        assert!(of_some.covers(client("bert", Some("laptops"))));
        assert!(!of_some.covers(client("bert", Some("servers"))));
        assert!(!of_some.covers(Concern::Server));
        assert!(audience(Tell::All, &[], &[]).covers(client("bert", None)));
    }
}
