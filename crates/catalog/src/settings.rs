//! Settings in layers, as words: what they mean is for `policy` and the server to say.

use rusqlite::{Transaction, params};

use crate::clients::id_of;
use crate::columns::word_enum;
use crate::error::Failure;
use crate::groups::group_id;
use crate::{Catalog, Error};

word_enum! {
    /// Whose settings they are; a later layer wins over an earlier one.
    SettingsLayer {
        /// All clients'.
        Server = "server",
        /// Those of the clients in a group.
        Group = "group",
        /// One client's.
        Client = "client",
        /// One client's, by its own user.
        User = "user",
    }
}

word_enum! {
    /// What a setting does to what the layers before it say.
    SettingAction {
        /// It takes its place.
        Set = "set",
        /// It adds items to a list.
        Add = "add",
    }
}

/// Whose settings are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SettingsOwner {
    /// The server.
    Server,
    /// The group of this name.
    Group(String),
    /// The client of this name.
    Client(String),
    /// The own user of the client of this name.
    User(String),
}

impl SettingsOwner {
    fn layer(&self) -> SettingsLayer {
        match self {
            Self::Server => SettingsLayer::Server,
            Self::Group(_) => SettingsLayer::Group,
            Self::Client(_) => SettingsLayer::Client,
            Self::User(_) => SettingsLayer::User,
        }
    }

    fn id(&self, transaction: &Transaction<'_>) -> Result<i64, Failure> {
        match self {
            Self::Server => Ok(0),
            Self::Group(name) => group_id(transaction, name),
            Self::Client(name) | Self::User(name) => id_of(transaction, name),
        }
    }
}

impl std::fmt::Display for SettingsOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Client(name) => write!(f, "client {name}"),
            Self::User(name) => write!(f, "the user of client {name}"),
        }
    }
}

/// Something that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSetting {
    /// Which setting.
    pub key: String,
    /// What it does to the layers before.
    pub action: SettingAction,
    /// Its value.
    pub value: String,
}

/// A change of what is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingChange {
    /// This is set.
    Put(StoredSetting),
    /// What the layers before say holds again; what is not set is no error.
    Unset {
        /// Which setting.
        key: String,
    },
}

/// Something that is set, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedSetting {
    /// Whose it is.
    pub owner: SettingsOwner,
    /// What is set.
    pub setting: StoredSetting,
}

impl Catalog {
    /// All that is set in the catalog, for whomever.
    pub fn all_settings(&self) -> Result<Vec<OwnedSetting>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT layer, key, action, value,
                        CASE layer WHEN 'server' THEN '' WHEN 'group' THEN groups.name ELSE clients.name END
                          AS owner
                   FROM settings
                   LEFT JOIN groups ON layer = 'group' AND groups.id = owner_id
                   LEFT JOIN clients ON layer IN ('client', 'user') AND clients.id = owner_id
                  ORDER BY layer, owner, key",
            )?;
            let rows = statement.query_map([], |row| {
                let name: String = row.get("owner")?;
                Ok(OwnedSetting {
                    owner: match row.get("layer")? {
                        SettingsLayer::Server => SettingsOwner::Server,
                        SettingsLayer::Group => SettingsOwner::Group(name),
                        SettingsLayer::Client => SettingsOwner::Client(name),
                        SettingsLayer::User => SettingsOwner::User(name),
                    },
                    setting: StoredSetting {
                        key: row.get("key")?,
                        action: row.get("action")?,
                        value: row.get("value")?,
                    },
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Makes all these changes, or none; fails with [`Error::UnknownClient`] or [`Error::UnknownGroup`].
    pub fn change_settings(&self, owner: &SettingsOwner, changes: &[SettingChange]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = owner.id(transaction)?;
            for change in changes {
                match change {
                    SettingChange::Put(setting) => transaction.execute(
                        "INSERT INTO settings (layer, owner_id, key, action, value) VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT (layer, owner_id, key)
                         DO UPDATE SET action = excluded.action, value = excluded.value",
                        params![owner.layer(), id, setting.key, setting.action, setting.value],
                    )?,
                    SettingChange::Unset { key } => transaction.execute(
                        "DELETE FROM settings WHERE layer = ?1 AND owner_id = ?2 AND key = ?3",
                        params![owner.layer(), id, key],
                    )?,
                };
            }
            Ok(())
        })
    }
}
