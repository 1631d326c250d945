//! How many backups link to each directory in a client's pool of a storage.
//!
//! A count is kept at 0 until the storage has removed the directory, so that a crash in between forgets nothing.

use rusqlite::{OptionalExtension, params};

use crate::Catalog;
use crate::clients::{id_of, id_or_adopt};
use crate::columns::{self, stored};
use crate::error::{Error, Failure};
use crate::storages::StorageId;

/// A pooled directory and the links to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLinks {
    /// The pooled directory's id.
    pub pool: String,
    /// The backups that link to it.
    pub links: u64,
}

/// Links that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolChange {
    /// So many more backups link to this directory.
    Added(PoolLinks),
    /// So many no longer do.
    Taken(PoolLinks),
}

impl Catalog {
    /// Every pooled directory of a client in a storage, by id.
    pub fn pool_links(&self, storage: StorageId, client: &str) -> Result<Vec<PoolLinks>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT pool, links FROM pool_links JOIN clients ON clients.id = client_id
                  WHERE storage_id = ?1 AND clients.name = ?2 ORDER BY pool",
            )?;
            let rows = statement.query_map(params![storage, client], |row| {
                Ok(PoolLinks {
                    pool: row.get("pool")?,
                    links: columns::count(row, "links")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Changes counts, all or none. Returns the directories that nothing links to any more.
    pub fn change_pool_links(
        &self,
        storage: StorageId,
        client: &str,
        changes: &[PoolChange],
    ) -> Result<Vec<String>, Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, client)?;
            let mut unused = Vec::new();
            for change in changes {
                let pool = match change {
                    PoolChange::Added(links) | PoolChange::Taken(links) => links,
                };
                let before: Option<i64> = transaction
                    .prepare_cached(
                        "SELECT links FROM pool_links WHERE storage_id = ?1 AND client_id = ?2 AND pool = ?3",
                    )?
                    .query_row(params![storage, client_id, pool.pool], |row| row.get(0))
                    .optional()?;
                let after = changed(client, change, before.unwrap_or(0).unsigned_abs())?;
                put(transaction, (storage, client_id), &pool.pool, after)?;
                if after == 0 {
                    unused.push(pool.pool.clone());
                }
            }
            Ok(unused)
        })
    }

    /// Replaces all counts of a client in a storage by what was found there.
    pub fn replace_pool_links(
        &self,
        storage: StorageId,
        client: &str,
        found: &[PoolLinks],
    ) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let client_id = id_or_adopt(transaction, client)?;
            transaction.execute(
                "DELETE FROM pool_links WHERE storage_id = ?1 AND client_id = ?2",
                params![storage, client_id],
            )?;
            found
                .iter()
                .try_for_each(|found| put(transaction, (storage, client_id), &found.pool, found.links))
        })
    }

    /// Forgets pooled directories that the storage has removed.
    pub fn forget_pools(&self, storage: StorageId, client: &str, pools: &[String]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, client)?;
            let mut statement = transaction.prepare_cached(
                "DELETE FROM pool_links WHERE storage_id = ?1 AND client_id = ?2 AND pool = ?3",
            )?;
            for pool in pools {
                statement.execute(params![storage, client_id, pool])?;
            }
            Ok(())
        })
    }
}

fn changed(client: &str, change: &PoolChange, before: u64) -> Result<u64, Failure> {
    match change {
        PoolChange::Added(added) => before.checked_add(added.links).ok_or_else(|| {
            Error::TooLarge {
                what: "links",
                value: added.links,
            }
            .into()
        }),
        PoolChange::Taken(taken) => before.checked_sub(taken.links).ok_or_else(|| {
            Error::PoolUnderflow {
                client: client.to_owned(),
                pool: taken.pool.clone(),
                links: before,
                taken: taken.links,
            }
            .into()
        }),
    }
}

fn put(
    transaction: &rusqlite::Transaction<'_>,
    (storage, client_id): (StorageId, i64),
    pool: &str,
    links: u64,
) -> Result<(), Failure> {
    transaction
        .prepare_cached(
            "INSERT INTO pool_links (storage_id, client_id, pool, links) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (storage_id, client_id, pool) DO UPDATE SET links = excluded.links",
        )?
        .execute(params![storage, client_id, pool, stored("links", links)?])?;
    Ok(())
}
