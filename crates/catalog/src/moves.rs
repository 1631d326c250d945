//! Clients whose backups are being moved to another storage.
//!
//! Until a move is finished the catalog says that the backups lie where they were, however much has been copied.

use rusqlite::{Row, Transaction, params};

use crate::clients::id_of;
use crate::error::{Error, Failure};
use crate::settings::{SettingAction, SettingsLayer};
use crate::storages::{PLACEMENT, StorageId};
use crate::{BackupId, BackupState, Catalog};

/// A move that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Whose backups.
    pub client: String,
    /// Where they go.
    pub to: StorageId,
    /// Since when.
    pub began_ms: i64,
}

/// What came of the try to finish a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// All lies in the other storage now.
    Done,
    /// These are not there yet, and nothing has changed.
    Lacking(Vec<String>),
}

impl Catalog {
    /// All moves that are under way, by client.
    pub fn moves(&self) -> Result<Vec<Move>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT clients.name AS client, storage_id, began_ms FROM moves
                   JOIN clients ON clients.id = client_id ORDER BY clients.name",
            )?;
            let rows = statement.query_map([], move_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes that a client's backups are to go to a storage; a move that is under way leads there from now on.
    pub fn begin_move(&self, client: &str, to: StorageId, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, client)?;
            transaction.execute(
                "INSERT INTO moves (client_id, storage_id, began_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (client_id) DO UPDATE SET storage_id = excluded.storage_id, began_ms = excluded.began_ms",
                params![client_id, to, now_ms],
            )?;
            Ok(())
        })
    }

    /// Gives a move up: the backups stay where they are. One that is not under way is no error.
    pub fn give_up_move(&self, client: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, client)?;
            transaction.execute("DELETE FROM moves WHERE client_id = ?1", [client_id])?;
            Ok(())
        })
    }

    /// Notes that a backup was found in another storage than the one that it was known to lie in.
    pub fn relocate_backup(&self, id: BackupId, storage: StorageId) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE backups SET storage_id = ?2 WHERE id = ?1",
                params![id.0, storage],
            )?;
            Ok(())
        })
    }

    /// Ends a move: from now on the client's backups lie in the other storage, which has those that are `there`, and with a
    /// `placement` its new ones go there too. What is on its way out stays where it is.
    pub fn finish_move(
        &self,
        client: &str,
        to: StorageId,
        there: &[String],
        placement: Option<&str>,
    ) -> Result<Moved, Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, client)?;
            let names = elsewhere(transaction, client_id, to)?;
            let (here, lacking): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| there.contains(name));
            if !lacking.is_empty() {
                return Ok(Moved::Lacking(lacking));
            }
            let mut statement = transaction
                .prepare_cached("UPDATE backups SET storage_id = ?3 WHERE client_id = ?1 AND name = ?2")?;
            for name in here {
                statement.execute(params![client_id, name, to])?;
            }
            if let Some(name) = placement {
                transaction.execute(
                    "INSERT INTO settings (layer, owner_id, key, action, value) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (layer, owner_id, key) DO UPDATE SET action = excluded.action, value = excluded.value",
                    params![SettingsLayer::Client, client_id, PLACEMENT, SettingAction::Set, name],
                )?;
            }
            transaction.execute("DELETE FROM moves WHERE client_id = ?1", [client_id])?;
            Ok(Moved::Done)
        })
    }
}

/// The names of a client's backups in other storages, but for those that are on their way out.
fn elsewhere(transaction: &Transaction<'_>, client_id: i64, to: StorageId) -> Result<Vec<String>, Failure> {
    let mut statement = transaction.prepare_cached(
        "SELECT name FROM backups WHERE client_id = ?1 AND storage_id <> ?2
            AND (state = ?3 OR trashed_ms IS NOT NULL) ORDER BY started_ms, id",
    )?;
    let rows = statement.query_map(params![client_id, to, BackupState::Committed], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn move_from(row: &Row<'_>) -> rusqlite::Result<Move> {
    Ok(Move {
        client: row.get("client")?,
        to: row.get("storage_id")?,
        began_ms: row.get("began_ms")?,
    })
}
