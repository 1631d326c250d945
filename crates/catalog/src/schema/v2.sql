-- What is set for one client. A key that is not there has the server's value.

CREATE TABLE client_settings (
    client_id INTEGER NOT NULL REFERENCES clients (id),
    key       TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (client_id, key)
) STRICT, WITHOUT ROWID;
