-- Times are milliseconds since the Unix epoch, by the server's clock.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id                      INTEGER PRIMARY KEY,
    name                    TEXT NOT NULL UNIQUE,
    state                   TEXT NOT NULL CHECK (state IN ('active', 'revoked', 'adopted')),
    certificate_serial      BLOB UNIQUE,
    certificate_fingerprint BLOB UNIQUE CHECK (length(certificate_fingerprint) = 32),
    operating_system        TEXT NOT NULL DEFAULT '',
    version                 TEXT NOT NULL DEFAULT '',
    enrolled_ms             INTEGER,
    revoked_ms              INTEGER,
    last_seen_ms            INTEGER,
    CHECK ((state = 'active') = (certificate_serial IS NOT NULL)),
    CHECK ((certificate_serial IS NULL) = (certificate_fingerprint IS NULL))
) STRICT;

CREATE TABLE revoked_certificates (
    serial      BLOB NOT NULL PRIMARY KEY,
    fingerprint BLOB NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    client_id   INTEGER NOT NULL REFERENCES clients (id),
    revoked_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    hash        BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_name TEXT,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    used_ms     INTEGER,
    used_by     TEXT,
    CHECK ((used_ms IS NULL) = (used_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE backups (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id         INTEGER NOT NULL REFERENCES clients (id),
    name              TEXT NOT NULL,
    kind              TEXT NOT NULL CHECK (kind IN ('file', 'image')),
    mode              TEXT NOT NULL CHECK (mode IN ('full', 'incremental')),
    base              TEXT,
    state             TEXT NOT NULL CHECK (state IN ('committed', 'deleting')),
    outcome           TEXT NOT NULL CHECK (outcome IN ('finished', 'finished with problems')),
    started_ms        INTEGER NOT NULL,
    finished_ms       INTEGER NOT NULL,
    files             INTEGER NOT NULL CHECK (files >= 0),
    directories       INTEGER NOT NULL CHECK (directories >= 0),
    bytes_logical     INTEGER NOT NULL CHECK (bytes_logical >= 0),
    bytes_transferred INTEGER NOT NULL CHECK (bytes_transferred >= 0),
    bytes_stored_new  INTEGER CHECK (bytes_stored_new >= 0),
    digest            BLOB NOT NULL CHECK (length(digest) = 32),
    problem_count     INTEGER NOT NULL CHECK (problem_count >= 0),
    UNIQUE (client_id, name)
) STRICT;

CREATE INDEX backups_by_age ON backups (client_id, kind, started_ms);

CREATE TABLE problems (
    backup_id INTEGER NOT NULL REFERENCES backups (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    path      BLOB NOT NULL,
    kind      TEXT NOT NULL,
    message   TEXT NOT NULL,
    PRIMARY KEY (backup_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,
    client_id   INTEGER REFERENCES clients (id),
    subject     TEXT,
    state       TEXT NOT NULL
                CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
    queued_ms   INTEGER NOT NULL,
    started_ms  INTEGER,
    finished_ms INTEGER,
    error       TEXT,
    figures     TEXT
) STRICT;

CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_client ON jobs (client_id, id);

CREATE TABLE pool_links (
    client_id INTEGER NOT NULL REFERENCES clients (id),
    pool      TEXT NOT NULL,
    links     INTEGER NOT NULL CHECK (links >= 0),
    PRIMARY KEY (client_id, pool)
) STRICT, WITHOUT ROWID;
