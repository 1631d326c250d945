-- What people call a client; an index by which a client's backups that can be restored are counted without looking at each, and one of
-- jobs by what they do, as most are backups.

ALTER TABLE clients ADD COLUMN display_name TEXT;

CREATE UNIQUE INDEX clients_by_display_name ON clients (display_name) WHERE display_name IS NOT NULL;
CREATE INDEX backups_by_state ON backups (client_id, state, started_ms);
CREATE INDEX jobs_by_kind ON jobs (kind, id);
