-- Who is told of what the status page tells: addresses are sealed and found by a
-- keyed hash. Nobody is told before they confirmed; whoever does not goes.

CREATE TABLE subscribers (
    org_id       INTEGER NOT NULL,
    id           BLOB NOT NULL CHECK (length(id) = 16),
    kind         TEXT NOT NULL CHECK (kind IN ('email', 'webhook')),
    address_hash BLOB NOT NULL CHECK (length(address_hash) = 32),
    body_sealed  BLOB NOT NULL,
    network_hash BLOB NOT NULL CHECK (length(network_hash) = 32),
    asked_at     INTEGER NOT NULL,
    confirmed_at INTEGER,
    -- Of what was said up to then it was told.
    told_at      INTEGER NOT NULL,
    -- Times in a row that it could not be told.
    failures     INTEGER NOT NULL CHECK (failures >= 0),
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX subscribers_address ON subscribers (org_id, address_hash);
CREATE INDEX subscribers_told ON subscribers (org_id, told_at, id) WHERE confirmed_at IS NOT NULL;
CREATE INDEX subscribers_waiting ON subscribers (org_id, asked_at) WHERE confirmed_at IS NULL;
