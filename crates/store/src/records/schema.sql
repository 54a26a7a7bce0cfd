-- The operator's records: sealed blocks, and the batches in which they were written.
-- org_id is in every table and index; there is one organisation for now.
CREATE TABLE batches (
    -- A number is never given twice, also when all batches are gone.
    batch INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    root BLOB NOT NULL,
    -- Whether the ledger has it for certain.
    noted INTEGER NOT NULL
) STRICT;

CREATE TABLE blocks (
    -- batch * 2^20 + position
    id INTEGER PRIMARY KEY,
    org_id INTEGER NOT NULL,
    subject BLOB NOT NULL,
    region TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    events INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE INDEX blocks_subject ON blocks (org_id, subject, first_at);
