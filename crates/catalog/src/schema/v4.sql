-- Whom the server tells what: channels, what was told and still holds, and messages on their way.

CREATE TABLE channels (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    settings    TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    reported_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE told (
    subject  TEXT PRIMARY KEY NOT NULL,
    what     TEXT NOT NULL,
    about    TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    told_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id  INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    content     TEXT NOT NULL,
    recipients  TEXT,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'given up')),
    queued_ms   INTEGER NOT NULL,
    failures    INTEGER NOT NULL,
    next_try_ms INTEGER NOT NULL,
    ended_ms    INTEGER,
    error       TEXT
) STRICT;

CREATE INDEX outbox_by_channel ON outbox (channel_id, state, id);
CREATE INDEX outbox_by_state ON outbox (state, next_try_ms);
CREATE INDEX backups_damaged ON backups (client_id) WHERE verified = 'failed';
