//! Roles that were made here, and grants: which user has which role, for whom. What rights mean is for others to say; here they
//! are words.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::clients::id_of;
use crate::error::{Error, Failure, is_duplicate};
use crate::groups::group_id;
use crate::users::user_id;
use crate::{Catalog, UserId};

/// A role that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its rights, words separated by commas.
    pub rights: String,
}

/// For whom something holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// For all clients, and for the server.
    Everything,
    /// For the clients of this group.
    Group(String),
    /// For this client.
    Client(String),
}

/// A role that a user has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleGrant {
    /// The role's name.
    pub role: String,
    /// For whom.
    pub scope: Scope,
}

const EVERYTHING: &str = "everything";
const GROUP: &str = "group";
const CLIENT: &str = "client";

impl Catalog {
    /// All roles that were made here, by name.
    pub fn roles(&self) -> Result<Vec<Role>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached("SELECT * FROM roles ORDER BY name")?;
            let rows = statement.query_map([], |row| {
                Ok(Role {
                    name: row.get("name")?,
                    rights: row.get("rights")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Makes a role; fails with [`Error::DuplicateRole`].
    pub fn create_role(&self, role: &Role) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let inserted = transaction.execute(
                "INSERT INTO roles (name, rights) VALUES (?1, ?2)",
                params![role.name, role.rights],
            );
            match inserted {
                Err(error) if is_duplicate(&error) => {
                    let name = role.name.clone();
                    Err(Error::DuplicateRole { name }.into())
                }
                done => Ok(done.map(drop)?),
            }
        })
    }

    /// Deletes a role that nobody has; fails with [`Error::UnknownRole`] or [`Error::RoleInUse`].
    pub fn delete_role(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let user: Option<String> = transaction
                .query_row(
                    "SELECT users.name FROM grants JOIN users ON users.id = user_id WHERE role = ?1 LIMIT 1",
                    [name],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(user) = user {
                let name = name.to_owned();
                return Err(Error::RoleInUse { name, user }.into());
            }
            match transaction.execute("DELETE FROM roles WHERE name = ?1", [name])? {
                0 => Err(Error::UnknownRole { name: name.into() }.into()),
                _ => Ok(()),
            }
        })
    }

    /// The roles that a user has.
    pub fn grants(&self, user: UserId) -> Result<Vec<RoleGrant>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT role, scope, coalesce(groups.name, clients.name) AS owner FROM grants
                   LEFT JOIN groups ON scope = 'group' AND groups.id = owner_id
                   LEFT JOIN clients ON scope = 'client' AND clients.id = owner_id
                  WHERE user_id = ?1 ORDER BY role, scope, owner",
            )?;
            let rows = statement.query_map([user.0], |row| {
                Ok(RoleGrant {
                    role: row.get("role")?,
                    scope: scope_from(row)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Gives a user a role. Returns `false` where he had it; fails with [`Error::UnknownUser`], [`Error::UnknownGroup`] or
    /// [`Error::UnknownClient`].
    pub fn grant(&self, user: &str, grant: &RoleGrant) -> Result<bool, Error> {
        self.connections.write(|transaction| {
            let user = user_id(transaction, user)?;
            let (scope, owner_id) = scope_columns(transaction, &grant.scope)?;
            let inserted = transaction.execute(
                "INSERT INTO grants (user_id, role, scope, owner_id) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
                params![user, grant.role, scope, owner_id],
            )?;
            Ok(inserted > 0)
        })
    }

    /// Takes a role from a user. Returns `false` where he does not have it; fails like [`Catalog::grant`].
    pub fn revoke_grant(&self, user: &str, grant: &RoleGrant) -> Result<bool, Error> {
        self.connections.write(|transaction| {
            let user = user_id(transaction, user)?;
            let (scope, owner_id) = scope_columns(transaction, &grant.scope)?;
            let removed = transaction.execute(
                "DELETE FROM grants WHERE user_id = ?1 AND role = ?2 AND scope = ?3 AND owner_id = ?4",
                params![user, grant.role, scope, owner_id],
            )?;
            Ok(removed > 0)
        })
    }
}

/// How a scope lies in the columns `scope` and `owner_id`.
pub(crate) fn scope_columns(
    transaction: &Transaction<'_>,
    scope: &Scope,
) -> Result<(&'static str, i64), Failure> {
    Ok(match scope {
        Scope::Everything => (EVERYTHING, 0),
        Scope::Group(name) => (GROUP, group_id(transaction, name)?),
        Scope::Client(name) => (CLIENT, id_of(transaction, name)?),
    })
}

/// A scope from the columns `scope` and `owner`, the owner's name.
pub(crate) fn scope_from(row: &Row<'_>) -> rusqlite::Result<Scope> {
    let scope: String = row.get("scope")?;
    Ok(match scope.as_str() {
        EVERYTHING => Scope::Everything,
        GROUP => Scope::Group(row.get("owner")?),
        _ => Scope::Client(row.get("owner")?),
    })
}

/// Takes all that was granted for a group, before it goes. A token that was good for nothing else is good for nothing then.
pub(crate) fn forget_group(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    forget_scope(transaction, GROUP, id)
}

/// Takes all that was granted for a client, likewise.
pub(crate) fn forget_client(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    forget_scope(transaction, CLIENT, id)
}

fn forget_scope(transaction: &Transaction<'_>, scope: &str, id: i64) -> rusqlite::Result<()> {
    for table in ["grants", "api_token_scopes"] {
        transaction.execute(
            &format!("DELETE FROM {table} WHERE scope = ?1 AND owner_id = ?2"),
            params![scope, id],
        )?;
    }
    Ok(())
}
