//! Groups of clients, which share settings. A client is in one group at most.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::clients::id_of;
use crate::columns;
use crate::error::{Failure, is_duplicate};
use crate::roles::forget_group;
use crate::{Catalog, Error};

/// A group as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many clients are in it.
    pub clients: u64,
}

impl Catalog {
    /// All groups by name.
    pub fn groups(&self) -> Result<Vec<Group>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name, (SELECT count(*) FROM clients WHERE group_id = groups.id) AS clients
                   FROM groups ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(Group {
                    name: row.get("name")?,
                    clients: columns::count(row, "clients")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Every client, and the group that it is in.
    pub fn memberships(&self) -> Result<HashMap<String, Option<String>>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT clients.name, groups.name FROM clients LEFT JOIN groups ON groups.id = group_id",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Creates a group; fails with [`Error::DuplicateGroup`] where there is one of this name.
    pub fn create_group(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            match transaction.execute("INSERT INTO groups (name) VALUES (?1)", [name]) {
                Err(error) if is_duplicate(&error) => Err(duplicate(name)),
                done => Ok(done.map(drop)?),
            }
        })
    }

    /// Gives a group another name; fails with [`Error::UnknownGroup`] or [`Error::DuplicateGroup`].
    pub fn rename_group(&self, name: &str, new_name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = group_id(transaction, name)?;
            let update =
                transaction.execute("UPDATE groups SET name = ?2 WHERE id = ?1", params![id, new_name]);
            match update {
                Err(error) if is_duplicate(&error) => Err(duplicate(new_name)),
                done => Ok(done.map(drop)?),
            }
        })
    }

    /// Deletes a group with its settings and what was granted for it; its clients are then in none. Fails with [`Error::UnknownGroup`].
    pub fn delete_group(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = group_id(transaction, name)?;
            transaction.execute("UPDATE clients SET group_id = NULL WHERE group_id = ?1", [id])?;
            transaction.execute(
                "DELETE FROM settings WHERE layer = 'group' AND owner_id = ?1",
                [id],
            )?;
            forget_group(transaction, id)?;
            transaction.execute("DELETE FROM groups WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// Puts a client into a group, or into none; fails with [`Error::UnknownClient`] or [`Error::UnknownGroup`].
    pub fn set_group(&self, client: &str, group: Option<&str>) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, client)?;
            let group = group.map(|name| group_id(transaction, name)).transpose()?;
            transaction.execute(
                "UPDATE clients SET group_id = ?2 WHERE id = ?1",
                params![client_id, group],
            )?;
            Ok(())
        })
    }
}

/// The row id of a group that must be there.
pub(crate) fn group_id(transaction: &Transaction<'_>, name: &str) -> Result<i64, Failure> {
    transaction
        .prepare_cached("SELECT id FROM groups WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| {
            Error::UnknownGroup {
                name: name.to_owned(),
            }
            .into()
        })
}

fn duplicate(name: &str) -> Failure {
    Error::DuplicateGroup {
        name: name.to_owned(),
    }
    .into()
}
