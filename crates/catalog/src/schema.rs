//! The tables, version by version. `docs/formats/catalog.md` describes them; a released step is never edited.

use std::sync::LazyLock;

use rusqlite_migration::{M, Migrations};

/// The newest schema that this program reads and writes, kept in `PRAGMA user_version`.
pub const SCHEMA_VERSION: i64 = 9;

/// Marks the file as a catalog in `PRAGMA application_id`: "Pern".
pub(crate) const APPLICATION_ID: i64 = 0x5065_726e;

pub(crate) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    let steps = [
        include_str!("schema/v1.sql"),
        include_str!("schema/v2.sql"),
        include_str!("schema/v3.sql"),
        include_str!("schema/v4.sql"),
        include_str!("schema/v5.sql"),
        include_str!("schema/v6.sql"),
        include_str!("schema/v7.sql"),
        include_str!("schema/v8.sql"),
        include_str!("schema/v9.sql"),
    ];
    Migrations::new(steps.map(M::up).into())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_valid_and_end_at_the_version_declared() {
        MIGRATIONS.validate().expect("migrations apply");
        let mut database = rusqlite::Connection::open_in_memory().expect("memory");
        MIGRATIONS.to_latest(&mut database).expect("migrates");
        let version: i64 = database
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .expect("version");
        assert_eq!(version, SCHEMA_VERSION);
    }
}
