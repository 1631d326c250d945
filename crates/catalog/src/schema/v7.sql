-- Clients that may not connect for now, and those that are about to go; how full storages were over time.

ALTER TABLE clients ADD COLUMN disabled_ms INTEGER;
ALTER TABLE clients ADD COLUMN removed_ms INTEGER;

CREATE TABLE space (
    storage_id  INTEGER NOT NULL REFERENCES storages (id) ON DELETE CASCADE,
    at_ms       INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL CHECK (total_bytes >= 0),
    free_bytes  INTEGER NOT NULL CHECK (free_bytes >= 0),
    PRIMARY KEY (storage_id, at_ms)
) STRICT, WITHOUT ROWID;
