//! Which files of backups are known to be damaged: as the last verification found them, less what was mended since.

use rusqlite::{Row, params};

use crate::backups::Problem;
use crate::{BackupId, Catalog, Error, Verification};

/// A damaged file of a backup that can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The backup's number.
    pub backup: BackupId,
    /// Whose backup it is.
    pub client: String,
    /// The backup's name.
    pub name: String,
    /// The path within the backup.
    pub path: Vec<u8>,
    /// What is wrong, as a word for programs.
    pub kind: String,
    /// A sentence for people.
    pub message: String,
    /// When it was found.
    pub found_ms: i64,
}

impl Catalog {
    /// Notes what a verification found; it takes the place of what was known before.
    pub fn set_verified(
        &self,
        id: BackupId,
        verification: Verification,
        damage: &[Problem],
    ) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE backups SET verified_ms = ?2, verified = ?3 WHERE id = ?1",
                params![id.0, verification.at_ms, verification.found],
            )?;
            transaction.execute("DELETE FROM damage WHERE backup_id = ?1", [id.0])?;
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO damage (backup_id, path, kind, message, found_ms)
                 SELECT id, ?2, ?3, ?4, ?5 FROM backups WHERE id = ?1",
            )?;
            for problem in damage {
                statement.execute(params![
                    id.0,
                    problem.path,
                    problem.kind,
                    problem.message,
                    verification.at_ms
                ])?;
            }
            Ok(())
        })
    }

    /// All damage that is known, or that of a client, by client, backup and path.
    pub fn damage(&self, client: Option<&str>) -> Result<Vec<Damage>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT damage.*, clients.name AS client, backups.name AS name FROM damage
                   CROSS JOIN backups ON backups.id = backup_id CROSS JOIN clients ON clients.id = client_id
                  WHERE backups.state = 'committed' AND (?1 IS NULL OR clients.name = ?1)
                  ORDER BY clients.name, backups.started_ms, backups.id, damage.path",
            )?;
            let rows = statement.query_map([client], damage_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes that a file was mended. Returns whether its backup has no known damage left.
    pub fn forget_damage(&self, id: BackupId, path: &[u8]) -> Result<bool, Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "DELETE FROM damage WHERE backup_id = ?1 AND path = ?2",
                params![id.0, path],
            )?;
            let has_more = transaction
                .prepare_cached("SELECT 1 FROM damage WHERE backup_id = ?1")?
                .exists([id.0])?;
            Ok(!has_more)
        })
    }
}

fn damage_from(row: &Row<'_>) -> rusqlite::Result<Damage> {
    Ok(Damage {
        backup: BackupId(row.get("backup_id")?),
        client: row.get("client")?,
        name: row.get("name")?,
        path: row.get("path")?,
        kind: row.get("kind")?,
        message: row.get("message")?,
        found_ms: row.get("found_ms")?,
    })
}
