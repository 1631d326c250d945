-- Several storages: which there are, where each backup lies, which clients are being moved; what was found to be damaged;
-- and what clients took of the storages over time.

CREATE TABLE storages (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT NOT NULL UNIQUE,
    identity TEXT NOT NULL UNIQUE,
    path     BLOB NOT NULL
) STRICT;

-- Where the storage that the backups lie in is, and which, a server that opens it notes.
INSERT INTO storages (name, identity, path)
    SELECT 'main', coalesce((SELECT value FROM meta WHERE key = 'storage_id'), ''), x''
     WHERE EXISTS (SELECT 1 FROM meta WHERE key = 'storage_id') OR EXISTS (SELECT 1 FROM backups);

ALTER TABLE backups ADD COLUMN storage_id INTEGER REFERENCES storages (id);
UPDATE backups SET storage_id = (SELECT id FROM storages);
CREATE INDEX backups_by_storage ON backups (storage_id, client_id);
CREATE INDEX backups_unmeasured ON backups (storage_id) WHERE bytes_stored_new IS NULL;

ALTER TABLE pool_links RENAME TO old_pool_links;
CREATE TABLE pool_links (
    storage_id INTEGER NOT NULL REFERENCES storages (id),
    client_id  INTEGER NOT NULL REFERENCES clients (id),
    pool       TEXT NOT NULL,
    links      INTEGER NOT NULL CHECK (links >= 0),
    PRIMARY KEY (storage_id, client_id, pool)
) STRICT, WITHOUT ROWID;
INSERT INTO pool_links SELECT storages.id, client_id, pool, links FROM old_pool_links, storages;
DROP TABLE old_pool_links;

CREATE TABLE moves (
    client_id  INTEGER PRIMARY KEY REFERENCES clients (id),
    storage_id INTEGER NOT NULL REFERENCES storages (id),
    began_ms   INTEGER NOT NULL
) STRICT;

CREATE TABLE damage (
    backup_id INTEGER NOT NULL REFERENCES backups (id) ON DELETE CASCADE,
    path      BLOB NOT NULL,
    kind      TEXT NOT NULL,
    message   TEXT NOT NULL,
    found_ms  INTEGER NOT NULL,
    PRIMARY KEY (backup_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
    at_ms           INTEGER NOT NULL,
    storage_id      INTEGER NOT NULL REFERENCES storages (id) ON DELETE CASCADE,
    client_id       INTEGER NOT NULL REFERENCES clients (id),
    backups         INTEGER NOT NULL CHECK (backups >= 0),
    bytes_logical   INTEGER NOT NULL CHECK (bytes_logical >= 0),
    bytes_exclusive INTEGER NOT NULL CHECK (bytes_exclusive >= 0),
    bytes_shared    INTEGER NOT NULL CHECK (bytes_shared >= 0),
    PRIMARY KEY (client_id, at_ms, storage_id)
) STRICT, WITHOUT ROWID;
