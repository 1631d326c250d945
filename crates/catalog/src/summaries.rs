//! What there is of every client at once, for those who watch all of them: each figure is a step into an index, or one pass.

use rusqlite::Row;

use crate::backups::{COLUMNS, LOOKED_UP, backup_from};
use crate::columns;
use crate::{Backup, BackupKind, BackupState, Catalog, Error};

/// How many backups a client has of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupCount {
    /// The client.
    pub client: String,
    /// The kind.
    pub kind: BackupKind,
    /// Whether they can be restored, or are on their way out.
    pub state: BackupState,
    /// How many.
    pub count: u64,
}

impl Catalog {
    /// The newest backup of each client, or of one, and of each kind that can be restored.
    pub fn newest_backups(&self, client: Option<&str>) -> Result<Vec<Backup>, Error> {
        self.connections.read(|transaction| {
            let sql = format!(
                "SELECT {COLUMNS} FROM {LOOKED_UP} WHERE backups.id IN (SELECT
                    (SELECT id FROM backups WHERE client_id = owner.id AND kind = column1 AND mode = column2
                        AND state = 'committed' ORDER BY started_ms DESC, id DESC LIMIT 1)
                   FROM clients AS owner, (VALUES ('file', 'full'), ('file', 'incremental'),
                                                  ('image', 'full'), ('image', 'incremental'))
                  WHERE ?1 IS NULL OR owner.name = ?1)
                  ORDER BY clients.name, backups.kind, backups.started_ms, backups.id"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map([client], backup_from)?;
            let mut newest: Vec<Backup> = Vec::new();
            for backup in rows {
                let backup = backup?;
                let is_newer = |last: &&mut Backup| last.client == backup.client && last.kind == backup.kind;
                match newest.last_mut().filter(is_newer) {
                    Some(last) => *last = backup,
                    None => newest.push(backup),
                }
            }
            Ok(newest)
        })
    }

    /// Of each client, when the backup was checked, or made, that waits longest for its next check.
    pub fn oldest_checks(&self) -> Result<Vec<(String, i64)>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT clients.name, min(coalesce(verified_ms, finished_ms)) FROM backups
                   JOIN clients ON clients.id = client_id
                  WHERE backups.state = 'committed' GROUP BY client_id ORDER BY clients.name",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The backups that can be restored though their last verification failed.
    pub fn damaged_backups(&self) -> Result<Vec<Backup>, Error> {
        self.connections.read(|transaction| {
            let sql = format!(
                "SELECT {COLUMNS} FROM {LOOKED_UP} WHERE backups.verified = 'failed' AND backups.state = 'committed'
                  ORDER BY clients.name, backups.started_ms, backups.id"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            let rows = statement.query_map([], backup_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many backups of each kind and state the clients have.
    pub fn backup_counts(&self) -> Result<Vec<BackupCount>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT clients.name AS client, kind, backups.state AS state, count(*) AS count
                   FROM backups JOIN clients ON clients.id = client_id
                  GROUP BY clients.id, kind, backups.state ORDER BY clients.name, kind, backups.state",
            )?;
            let rows = statement.query_map([], count_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn count_from(row: &Row<'_>) -> rusqlite::Result<BackupCount> {
    Ok(BackupCount {
        client: row.get("client")?,
        kind: row.get("kind")?,
        state: row.get("state")?,
        count: columns::count(row, "count")?,
    })
}
