//! What clients took of the storages over time, and how full these were: samples now and then, for charts and forecasts.

use std::collections::BTreeMap;

use rusqlite::{Row, Transaction, params};

use crate::clients::id_of;
use crate::columns::{self, stored};
use crate::storages::StorageId;
use crate::{Catalog, Error};

/// What a client took of a storage at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageSample {
    /// When.
    pub at_ms: i64,
    /// The client.
    pub client: String,
    /// The storage.
    pub storage: StorageId,
    /// How many backups it had there.
    pub backups: u64,
    /// What restores of all of them would have written.
    pub bytes_logical: u64,
    /// What deleting all of them would have freed.
    pub bytes_exclusive: u64,
    /// What they had in common with backups of other clients.
    pub bytes_shared: u64,
}

/// The backups of a client as they are told, whatever they share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogicalSize {
    /// How many there are.
    pub backups: u64,
    /// What restores of all of them would write.
    pub bytes: u64,
}

/// How full a storage was at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceSample {
    /// The storage.
    pub storage: StorageId,
    /// When.
    pub at_ms: i64,
    /// All that its file system can take.
    pub total_bytes: u64,
    /// What of it is free.
    pub free_bytes: u64,
}

/// Which samples to list; what is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Only this client's.
    pub client: Option<String>,
    /// Only those from then on.
    pub since_ms: Option<i64>,
    /// Only so many of the times at which samples were taken, evenly, with the last.
    pub most_times: Option<usize>,
}

impl Catalog {
    /// Adds samples. Those of clients that are not known are left out.
    pub fn add_usage(&self, samples: &[UsageSample]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "INSERT OR REPLACE INTO usage
                    (at_ms, storage_id, client_id, backups, bytes_logical, bytes_exclusive, bytes_shared)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for sample in samples {
                let Ok(client_id) = id_of(transaction, &sample.client) else {
                    continue;
                };
                statement.execute(params![
                    sample.at_ms,
                    sample.storage,
                    client_id,
                    stored("backups", sample.backups)?,
                    stored("logical bytes", sample.bytes_logical)?,
                    stored("exclusive bytes", sample.bytes_exclusive)?,
                    stored("shared bytes", sample.bytes_shared)?,
                ])?;
            }
            Ok(())
        })
    }

    /// How many backups the clients have in a storage, or the one has, in whatever state, and what restores of all of them would write.
    pub fn logical_sizes(
        &self,
        storage: StorageId,
        client: Option<&str>,
    ) -> Result<BTreeMap<String, LogicalSize>, Error> {
        self.connections.read(|transaction| {
            let mut sizes: BTreeMap<i64, LogicalSize> = BTreeMap::new();
            // A client says how large its files are, so no sum of SQLite's, which fails where it is too large.
            let mut all = transaction
                .prepare_cached("SELECT client_id, bytes_logical FROM backups WHERE storage_id = ?1")?;
            let mut of_one = transaction.prepare_cached(
                "SELECT client_id, bytes_logical FROM backups
                  WHERE storage_id = ?1 AND client_id = (SELECT id FROM clients WHERE name = ?2)",
            )?;
            let mut rows = match client {
                Some(client) => of_one.query(params![storage, client])?,
                None => all.query([storage])?,
            };
            while let Some(row) = rows.next()? {
                let size = sizes.entry(row.get(0)?).or_default();
                size.backups += 1;
                size.bytes = size.bytes.saturating_add(columns::count(row, "bytes_logical")?);
            }
            let mut name = transaction.prepare_cached("SELECT name FROM clients WHERE id = ?1")?;
            let mut named = BTreeMap::new();
            for (id, size) in sizes {
                named.insert(name.query_row([id], |row| row.get(0))?, size);
            }
            Ok(named)
        })
    }

    /// Lists samples by client, oldest first.
    pub fn usage(&self, filter: &UsageFilter) -> Result<Vec<UsageSample>, Error> {
        self.connections.read(|transaction| {
            let times = match filter.most_times {
                Some(most) => Some(evenly(&usage_times(transaction, filter)?, most)),
                None => None,
            };
            let mut statement = transaction.prepare_cached(
                "SELECT usage.*, clients.name AS client FROM usage JOIN clients ON clients.id = client_id
                  WHERE (?1 IS NULL OR clients.name = ?1) AND (?2 IS NULL OR at_ms >= ?2)
                    AND (?3 IS NULL OR at_ms IN (SELECT value FROM json_each(?3)))
                  ORDER BY clients.name, at_ms, storage_id",
            )?;
            let chosen = params![filter.client, filter.since_ms, times];
            let rows = statement.query_map(chosen, sample_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Adds how full a storage is.
    pub fn add_space(&self, sample: &SpaceSample) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "INSERT OR REPLACE INTO space (storage_id, at_ms, total_bytes, free_bytes) VALUES (?1, ?2, ?3, ?4)",
                params![
                    sample.storage,
                    sample.at_ms,
                    stored("bytes of space", sample.total_bytes)?,
                    stored("free bytes", sample.free_bytes)?,
                ],
            )?;
            Ok(())
        })
    }

    /// How full a storage was from then on, oldest first.
    pub fn space(&self, storage: StorageId, since_ms: i64) -> Result<Vec<SpaceSample>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction
                .prepare_cached("SELECT * FROM space WHERE storage_id = ?1 AND at_ms >= ?2 ORDER BY at_ms")?;
            let rows = statement.query_map(params![storage, since_ms], |row| {
                Ok(SpaceSample {
                    storage: row.get("storage_id")?,
                    at_ms: row.get("at_ms")?,
                    total_bytes: columns::count(row, "total_bytes")?,
                    free_bytes: columns::count(row, "free_bytes")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// When the last sample was taken.
    pub fn last_usage_ms(&self) -> Result<Option<i64>, Error> {
        self.connections.read(|transaction| {
            Ok(transaction.query_row("SELECT max(at_ms) FROM usage", [], |row| row.get(0))?)
        })
    }

    /// Forgets samples from before a time.
    pub fn prune_usage(&self, before_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute("DELETE FROM usage WHERE at_ms < ?1", [before_ms])?;
            transaction.execute("DELETE FROM space WHERE at_ms < ?1", [before_ms])?;
            Ok(())
        })
    }
}

fn sample_from(row: &Row<'_>) -> rusqlite::Result<UsageSample> {
    Ok(UsageSample {
        at_ms: row.get("at_ms")?,
        client: row.get("client")?,
        storage: row.get("storage_id")?,
        backups: columns::count(row, "backups")?,
        bytes_logical: columns::count(row, "bytes_logical")?,
        bytes_exclusive: columns::count(row, "bytes_exclusive")?,
        bytes_shared: columns::count(row, "bytes_shared")?,
    })
}

/// When samples were taken, oldest first.
fn usage_times(transaction: &Transaction<'_>, filter: &UsageFilter) -> rusqlite::Result<Vec<i64>> {
    let mut statement = transaction.prepare_cached(
        "SELECT DISTINCT at_ms FROM usage
          WHERE (?1 IS NULL OR client_id = (SELECT id FROM clients WHERE name = ?1)) AND (?2 IS NULL OR at_ms >= ?2)
          ORDER BY at_ms",
    )?;
    let rows = statement.query_map(params![filter.client, filter.since_ms], |row| row.get(0))?;
    rows.collect()
}

/// So many of them at most, each as far from the next, with the last; as JSON.
fn evenly(times: &[i64], most: usize) -> String {
    let step = times.len().div_ceil(most.max(1)).max(1);
    let mut chosen: Vec<String> = times.iter().rev().step_by(step).map(i64::to_string).collect();
    chosen.reverse();
    format!("[{}]", chosen.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_chosen_evenly_and_end_with_the_last() {
        assert_eq!(evenly(&[1, 2, 3, 4, 5], 2), "[2,5]");
        assert_eq!(evenly(&[1, 2, 3], 3), "[1,2,3]");
        assert_eq!(evenly(&[1, 2, 3], 0), "[3]");
        assert_eq!(evenly(&[], 5), "[]");
    }
}
