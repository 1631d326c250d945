-- Groups of clients; settings in layers; what protects a backup; a trash; waits of the schedule; the logs of jobs
-- and of changes.

CREATE TABLE groups (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

ALTER TABLE clients ADD COLUMN group_id INTEGER REFERENCES groups (id);
ALTER TABLE clients ADD COLUMN paused_until_ms INTEGER;

CREATE TABLE settings (
    layer    TEXT NOT NULL CHECK (layer IN ('server', 'group', 'client', 'user')),
    owner_id INTEGER NOT NULL,
    key      TEXT NOT NULL,
    action   TEXT NOT NULL CHECK (action IN ('set', 'add')),
    value    TEXT NOT NULL,
    PRIMARY KEY (layer, owner_id, key)
) STRICT, WITHOUT ROWID;

INSERT INTO settings SELECT 'client', client_id, key, 'set', value FROM client_settings;
DROP TABLE client_settings;

ALTER TABLE backups ADD COLUMN archived_until_ms INTEGER;
ALTER TABLE backups ADD COLUMN archived_by TEXT;
ALTER TABLE backups ADD COLUMN held_for TEXT;
ALTER TABLE backups ADD COLUMN verified_ms INTEGER;
ALTER TABLE backups ADD COLUMN verified TEXT CHECK (verified IN ('passed', 'failed'));
ALTER TABLE backups ADD COLUMN trashed_ms INTEGER;

CREATE INDEX backups_by_mode ON backups (client_id, kind, mode, started_ms);

ALTER TABLE jobs ADD COLUMN mode TEXT CHECK (mode IN ('full', 'incremental'));
ALTER TABLE jobs ADD COLUMN reason TEXT;

CREATE INDEX jobs_by_outcome ON jobs (client_id, kind, state, id);

CREATE TABLE job_log (
    job_id   INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    level    TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    text     TEXT NOT NULL,
    PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE waits (
    client_id INTEGER NOT NULL REFERENCES clients (id),
    kind      TEXT NOT NULL CHECK (kind IN ('file', 'image')),
    mode      TEXT NOT NULL CHECK (mode IN ('full', 'incremental')),
    reason    TEXT NOT NULL,
    from_ms   INTEGER NOT NULL,
    until_ms  INTEGER,
    PRIMARY KEY (client_id, kind, mode)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    who     TEXT NOT NULL,
    origin  TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
