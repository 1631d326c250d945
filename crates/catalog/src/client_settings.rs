//! What is set for one client, as words: what they mean is for the server to say.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::clients::id_of;
use crate::{Catalog, Error};

impl Catalog {
    /// What is set for a client, by key; fails with [`Error::UnknownClient`].
    pub fn client_settings(&self, name: &str) -> Result<BTreeMap<String, String>, Error> {
        self.connections.read(|transaction| {
            let id = id_of(transaction, name)?;
            let mut statement =
                transaction.prepare_cached("SELECT key, value FROM client_settings WHERE client_id = ?1")?;
            let rows = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Sets something for a client, or with `None` lets it have the server's value again; fails with [`Error::UnknownClient`].
    pub fn set_client_setting(&self, name: &str, key: &str, value: Option<&str>) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = id_of(transaction, name)?;
            match value {
                Some(value) => transaction.execute(
                    "INSERT INTO client_settings (client_id, key, value) VALUES (?1, ?2, ?3)
                     ON CONFLICT (client_id, key) DO UPDATE SET value = excluded.value",
                    params![id, key, value],
                )?,
                None => transaction.execute(
                    "DELETE FROM client_settings WHERE client_id = ?1 AND key = ?2",
                    params![id, key],
                )?,
            };
            Ok(())
        })
    }
}
