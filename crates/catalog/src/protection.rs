//! What keeps a backup, what is known of its soundness, and the trash.
//!
//! A backup in the trash has the state *deleting* and a time: the storage still has all of it, and it can be taken out
//! again. When the time is taken away it is on its way out for good.

use rusqlite::params;

use crate::columns::{Columns, word_enum};
use crate::{Backup, BackupId, BackupState, Catalog, Error};

/// For how long a backup is archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchivedUntil {
    /// Until then.
    Time {
        /// When it ends.
        at_ms: i64,
    },
    /// For ever.
    Forever,
}

/// As a time that never comes; so it lies in the database.
const FOREVER_MS: i64 = i64::MAX;

/// That retention has to leave a backup alone for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// Until when.
    pub until: ArchivedUntil,
    /// The rules that said so, separated by "; ", or who.
    pub by: String,
}

word_enum! {
    /// What the last verification of a backup found.
    Verified {
        /// All is as it was written.
        Passed = "passed",
        /// Something is damaged or missing.
        Failed = "failed",
    }
}

/// The last verification of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verification {
    /// When it ended.
    pub at_ms: i64,
    /// What it found.
    pub found: Verified,
}

impl Catalog {
    /// Archives a backup, or with `None` lets retention have it again.
    pub fn set_archived(&self, id: BackupId, archived: Option<&Archived>) -> Result<(), Error> {
        let until_ms = archived.map(|archived| match archived.until {
            ArchivedUntil::Time { at_ms } => at_ms,
            ArchivedUntil::Forever => FOREVER_MS,
        });
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE backups SET archived_until_ms = ?2, archived_by = ?3 WHERE id = ?1",
                params![id.0, until_ms, archived.map(|archived| &archived.by)],
            )?;
            Ok(())
        })
    }

    /// When the last backup of a client began that this rule archived; it may be in the trash.
    pub fn last_archived_ms(&self, client: &str, by: &str) -> Result<Option<i64>, Error> {
        self.connections.read(|transaction| {
            let last_ms = transaction
                .prepare_cached(
                    "SELECT max(started_ms) FROM backups JOIN clients ON clients.id = client_id
                      WHERE clients.name = ?1 AND archived_by IS NOT NULL
                        AND instr('; ' || archived_by || '; ', '; ' || ?2 || '; ') > 0",
                )?
                .query_row(params![client, by], |row| row.get(0))?;
            Ok(last_ms)
        })
    }

    /// Holds a backup for this reason, so that nobody can delete it, or with `None` lets go of it.
    pub fn set_held(&self, id: BackupId, reason: Option<&str>) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE backups SET held_for = ?2 WHERE id = ?1",
                params![id.0, reason],
            )?;
            Ok(())
        })
    }

    /// Puts a backup into the trash; fails with [`Error::UnknownBackup`] where it is not committed.
    pub fn trash(&self, backup: &Backup, now_ms: i64) -> Result<(), Error> {
        self.move_state(
            backup,
            BackupState::Committed,
            BackupState::Deleting,
            Some(now_ms),
        )
    }

    /// Takes a backup out of the trash; fails with [`Error::UnknownBackup`] where it is not in it any more.
    pub fn restore_from_trash(&self, backup: &Backup) -> Result<(), Error> {
        self.move_state(backup, BackupState::Deleting, BackupState::Committed, None)
    }

    fn move_state(
        &self,
        backup: &Backup,
        from: BackupState,
        to: BackupState,
        trashed_ms: Option<i64>,
    ) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE backups SET state = ?3, trashed_ms = ?4
                  WHERE id = ?1 AND state = ?2 AND (state = 'committed' OR trashed_ms IS NOT NULL)",
                params![backup.id.0, from, to, trashed_ms],
            )?;
            if changed == 1 {
                return Ok(());
            }
            Err(Error::UnknownBackup {
                client: backup.client.clone(),
                name: backup.name.clone(),
            }
            .into())
        })
    }
}

/// Reads until when a backup is archived, and who wanted that.
pub(crate) fn read_archived(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Option<Archived>> {
    let until_ms: Option<i64> = columns.read()?;
    let by: Option<String> = columns.read()?;
    Ok(until_ms.map(|until_ms| Archived {
        until: match until_ms {
            FOREVER_MS => ArchivedUntil::Forever,
            at_ms => ArchivedUntil::Time { at_ms },
        },
        by: by.unwrap_or_default(),
    }))
}

/// Reads when a backup was verified, and what that found.
pub(crate) fn read_verification(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Option<Verification>> {
    let at_ms: Option<i64> = columns.read()?;
    let found: Option<Verified> = columns.read()?;
    Ok(at_ms
        .zip(found)
        .map(|(at_ms, found)| Verification { at_ms, found }))
}
