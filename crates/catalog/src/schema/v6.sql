-- Users: who logs in, what they may do, with which tokens and sessions, and what has failed.

CREATE TABLE users (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE,
    state          TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    password_hash  TEXT,
    totp_secret    BLOB,
    totp_state     TEXT CHECK (totp_state IN ('pending', 'active')),
    totp_step      INTEGER,
    created_ms     INTEGER NOT NULL,
    last_log_in_ms INTEGER,
    CHECK ((totp_secret IS NULL) = (totp_state IS NULL))
) STRICT;

CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE roles (
    name   TEXT PRIMARY KEY NOT NULL,
    rights TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    user_id  INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role     TEXT NOT NULL,
    scope    TEXT NOT NULL CHECK (scope IN ('everything', 'group', 'client')),
    owner_id INTEGER NOT NULL,
    PRIMARY KEY (user_id, role, scope, owner_id),
    CHECK ((scope = 'everything') = (owner_id = 0))
) STRICT, WITHOUT ROWID;

CREATE TABLE api_tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    rights       TEXT,
    reach        TEXT NOT NULL CHECK (reach IN ('all', 'listed')),
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER,
    last_used_ms INTEGER,
    UNIQUE (user_id, name)
) STRICT;

CREATE TABLE api_token_scopes (
    token_id INTEGER NOT NULL REFERENCES api_tokens (id) ON DELETE CASCADE,
    scope    TEXT NOT NULL CHECK (scope IN ('group', 'client')),
    owner_id INTEGER NOT NULL,
    PRIMARY KEY (token_id, scope, owner_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash         BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_ms   INTEGER NOT NULL,
    last_used_ms INTEGER NOT NULL,
    address      TEXT NOT NULL,
    program      TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE known_addresses (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE failed_log_ins (
    user_name       TEXT NOT NULL,
    address         TEXT NOT NULL,
    failures        INTEGER NOT NULL CHECK (failures > 0),
    last_ms         INTEGER NOT NULL,
    locked_until_ms INTEGER NOT NULL,
    PRIMARY KEY (user_name, address)
) STRICT, WITHOUT ROWID;
