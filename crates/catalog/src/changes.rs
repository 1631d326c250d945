//! The audit log: who changed what, when and from where. Entries are added and pruned by age, never edited.

use rusqlite::{Row, params};

use crate::conditions::{Conditions, anywhere};
use crate::{Catalog, Error};

/// Something that somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at_ms: i64,
    /// Who: a user, a client, the server itself.
    pub who: String,
    /// From where: an address, or the administration socket.
    pub origin: String,
    /// What was done, as a word for programs.
    pub action: String,
    /// To what.
    pub subject: String,
    /// In words.
    pub detail: String,
}

/// A change as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedChange {
    /// Its number; newer ones have higher ones.
    pub id: i64,
    /// What was changed.
    pub change: Change,
}

/// Which changes to list; what is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only those of this actor.
    pub who: Option<String>,
    /// Only those of this subject.
    pub subject: Option<String>,
    /// Only those in which this was done.
    pub action: Option<String>,
    /// Only those from then on.
    pub since_ms: Option<i64>,
    /// Only those with a smaller number.
    pub before: Option<i64>,
    /// Only those that have this in one of their words.
    pub text: Option<String>,
    /// Only this many, the newest.
    pub limit: Option<u32>,
}

impl Catalog {
    /// Adds an entry.
    pub fn record_change(&self, change: &Change) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "INSERT INTO changes (at_ms, who, origin, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    change.at_ms,
                    change.who,
                    change.origin,
                    change.action,
                    change.subject,
                    change.detail
                ],
            )?;
            Ok(())
        })
    }

    /// Lists changes, newest first.
    pub fn changes(&self, filter: &ChangeFilter) -> Result<Vec<RecordedChange>, Error> {
        self.connections.read(|transaction| {
            let mut conditions = Conditions::none();
            conditions.add("who = ?", &filter.who);
            conditions.add("subject = ?", &filter.subject);
            conditions.add("action = ?", &filter.action);
            conditions.add("at_ms >= ?", &filter.since_ms);
            conditions.add("id < ?", &filter.before);
            let pattern = filter.text.as_deref().map(anywhere);
            conditions.add(TEXTS_LIKE, &pattern);
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT * FROM changes WHERE {} ORDER BY id DESC LIMIT {}",
                conditions.sql(),
                filter.limit.map_or(-1, i64::from)
            ))?;
            let rows = statement.query_map(conditions.params(), change_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Forgets changes from before this time. Returns how many.
    pub fn prune_changes(&self, before_ms: i64) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let removed = transaction.execute("DELETE FROM changes WHERE at_ms < ?1", [before_ms])?;
            Ok(removed as u64)
        })
    }
}

/// Where a text is looked for.
const TEXTS_LIKE: &str = "(who || char(10) || origin || char(10) || action || char(10) || subject || char(10) || detail) LIKE ? ESCAPE '!'";

fn change_from(row: &Row<'_>) -> rusqlite::Result<RecordedChange> {
    Ok(RecordedChange {
        id: row.get("id")?,
        change: Change {
            at_ms: row.get("at_ms")?,
            who: row.get("who")?,
            origin: row.get("origin")?,
            action: row.get("action")?,
            subject: row.get("subject")?,
            detail: row.get("detail")?,
        },
    })
}
