//! What the index's file is made of.

use crate::database::Design;

/// The database. The index is a hint, so a transaction that a power loss undoes costs a little work.
pub(super) const DESIGN: Design = Design {
    title: "content index",
    version: 1,
    schema: "
    CREATE TABLE backups (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        client TEXT NOT NULL,
        name TEXT NOT NULL,
        digest BLOB NOT NULL,
        is_complete INTEGER NOT NULL,
        UNIQUE (client, name, digest)
    ) STRICT;
    CREATE TABLE content (
        size INTEGER NOT NULL,
        hash BLOB NOT NULL,
        backup INTEGER NOT NULL,
        path BLOB NOT NULL,
        PRIMARY KEY (size, hash)
    ) STRICT, WITHOUT ROWID;
",
    synchronous: "NORMAL",
};
