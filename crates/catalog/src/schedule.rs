//! What the schedule asks of the past, for all clients at once, and what it had to wait for.

use rusqlite::{Row, params};

use crate::clients::{ClientState, id_of, state_from};
use crate::{BackupKind, BackupMode, Catalog, Error, JobKind};

/// When a client's backups of one kind began last, and how its last tries ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// The last full backup that is there.
    pub full_ms: Option<i64>,
    /// The last incremental backup that is there.
    pub incremental_ms: Option<i64>,
    /// Jobs that failed since the last one that was done.
    pub failures: u32,
    /// Those of them that were cut short: the client or the server went away.
    pub interruptions: u32,
    /// When the last of them ended.
    pub failed_ms: Option<i64>,
}

/// A client and the tracks of its backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTracks {
    /// Its name.
    pub client: String,
    /// Whether it may connect.
    pub state: ClientState,
    /// When it enrolled last.
    pub enrolled_ms: Option<i64>,
    /// Until when its backups rest.
    pub paused_until_ms: Option<i64>,
    /// Of its file backups.
    pub files: Track,
    /// Of its image backups.
    pub images: Track,
}

/// A backup that was due and could not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Of what.
    pub kind: BackupKind,
    /// Which mode.
    pub mode: BackupMode,
    /// What it waited for, in words.
    pub reason: String,
    /// Since when.
    pub from_ms: i64,
    /// Until when; `None` while it lasts.
    pub until_ms: Option<i64>,
}

impl Catalog {
    /// What is known of the backups of all clients, or of one, by name. Backups that began after `now_ms`, before a clock
    /// was put back, are left out.
    pub fn tracks(&self, client: Option<&str>, now_ms: i64) -> Result<Vec<ClientTracks>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(TRACKS)?;
            let rows = statement.query_map(params![client, now_ms], tracks_from)?;
            let mut tracks: Vec<ClientTracks> = rows.collect::<Result<_, _>>()?;
            let mut failed = transaction.prepare_cached(FAILURES)?;
            let mut rows = failed.query([client])?;
            while let Some(row) = rows.next()? {
                let name: String = row.get(0)?;
                let Ok(place) = tracks.binary_search_by(|track| track.client.cmp(&name)) else {
                    continue;
                };
                let track = match row.get(1)? {
                    JobKind::ImageBackup => &mut tracks[place].images,
                    _ => &mut tracks[place].files,
                };
                track.failures = row.get(2)?;
                track.failed_ms = row.get(3)?;
                track.interruptions = row.get(4)?;
            }
            Ok(tracks)
        })
    }

    /// Notes, for clients, that a due backup has to wait, or with `until_ms` that it does no longer.
    pub fn set_waits(&self, waits: &[(String, Wait)]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO waits (client_id, kind, mode, reason, from_ms, until_ms)
                 SELECT id, ?2, ?3, ?4, ?5, ?6 FROM clients WHERE name = ?1
                 ON CONFLICT (client_id, kind, mode) DO UPDATE
                 SET reason = excluded.reason, from_ms = excluded.from_ms, until_ms = excluded.until_ms",
            )?;
            for (client, wait) in waits {
                insert.execute(params![
                    client,
                    wait.kind,
                    wait.mode,
                    wait.reason,
                    wait.from_ms,
                    wait.until_ms
                ])?;
            }
            Ok(())
        })
    }

    /// All waits that last, with their clients.
    pub fn open_waits(&self) -> Result<Vec<(String, Wait)>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT waits.*, clients.name AS client FROM waits JOIN clients ON clients.id = client_id
                  WHERE until_ms IS NULL",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get("client")?, wait_from(row)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// What the due backups of a client had to wait for last.
    pub fn waits(&self, client: &str) -> Result<Vec<Wait>, Error> {
        self.connections.read(|transaction| {
            let id = id_of(transaction, client)?;
            let mut statement =
                transaction.prepare_cached("SELECT * FROM waits WHERE client_id = ?1 ORDER BY kind, mode")?;
            let rows = statement.query_map([id], wait_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// One row for each client, by name; each time is one step into an index.
const TRACKS: &str = "
    SELECT name, state, disabled_ms, removed_ms, enrolled_ms, paused_until_ms,
           (SELECT started_ms FROM backups
             WHERE client_id = clients.id AND kind = 'file' AND mode = 'full' AND started_ms <= ?2
               AND state = 'committed' ORDER BY started_ms DESC LIMIT 1) AS file_full_ms,
           (SELECT started_ms FROM backups
             WHERE client_id = clients.id AND kind = 'file' AND mode = 'incremental' AND started_ms <= ?2
               AND state = 'committed' ORDER BY started_ms DESC LIMIT 1) AS file_incremental_ms,
           (SELECT started_ms FROM backups
             WHERE client_id = clients.id AND kind = 'image' AND mode = 'full' AND started_ms <= ?2
               AND state = 'committed' ORDER BY started_ms DESC LIMIT 1) AS image_full_ms,
           (SELECT started_ms FROM backups
             WHERE client_id = clients.id AND kind = 'image' AND mode = 'incremental' AND started_ms <= ?2
               AND state = 'committed' ORDER BY started_ms DESC LIMIT 1) AS image_incremental_ms
      FROM clients WHERE (?1 IS NULL OR name = ?1) ORDER BY name";

/// The failed jobs since the last one that was done, of those clients and kinds that have any. SQLite takes the columns beside
/// a maximum from the row that has it, so the time is that of the last one.
const FAILURES: &str = "
    SELECT clients.name, jobs.kind, count(*), jobs.finished_ms,
           sum(jobs.state = 'interrupted'), max(jobs.id)
      FROM jobs JOIN clients ON clients.id = jobs.client_id
     WHERE jobs.state IN ('failed', 'interrupted') AND jobs.kind IN ('file backup', 'image backup')
       AND (?1 IS NULL OR clients.name = ?1)
       AND jobs.id > coalesce((SELECT max(id) FROM jobs AS done
             WHERE done.client_id = jobs.client_id AND done.kind = jobs.kind AND done.state = 'done'), 0)
     GROUP BY clients.id, jobs.kind";

fn tracks_from(row: &Row<'_>) -> rusqlite::Result<ClientTracks> {
    let track = |full, incremental| -> rusqlite::Result<Track> {
        Ok(Track {
            full_ms: row.get(full)?,
            incremental_ms: row.get(incremental)?,
            ..Track::default()
        })
    };
    Ok(ClientTracks {
        client: row.get("name")?,
        state: state_from(row)?,
        enrolled_ms: row.get("enrolled_ms")?,
        paused_until_ms: row.get("paused_until_ms")?,
        files: track("file_full_ms", "file_incremental_ms")?,
        images: track("image_full_ms", "image_incremental_ms")?,
    })
}

fn wait_from(row: &Row<'_>) -> rusqlite::Result<Wait> {
    Ok(Wait {
        kind: row.get("kind")?,
        mode: row.get("mode")?,
        reason: row.get("reason")?,
        from_ms: row.get("from_ms")?,
        until_ms: row.get("until_ms")?,
    })
}
