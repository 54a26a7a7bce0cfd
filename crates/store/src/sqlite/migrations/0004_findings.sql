-- The inbox of findings. What was seen, where and by which rule is sealed; the
-- hashes are keyed, so that the same finding again meets its row. In clear are
-- counts and times only: how many findings of which severity and state.

CREATE TABLE findings (
    org_id        INTEGER NOT NULL,
    id            BLOB NOT NULL CHECK (length(id) = 16),
    public_id     TEXT NOT NULL,
    finding_hash  BLOB NOT NULL CHECK (length(finding_hash) = 32),
    subject_hash  BLOB NOT NULL CHECK (length(subject_hash) = 32),
    producer_hash BLOB NOT NULL CHECK (length(producer_hash) = 32),
    state         TEXT NOT NULL CHECK (state IN ('open', 'acknowledged', 'rule', 'fixed')),
    severity      TEXT NOT NULL CHECK (severity IN ('note', 'warning', 'critical')),
    confidence    TEXT NOT NULL CHECK (confidence IN ('certain', 'likely', 'possible')),
    body_sealed   BLOB NOT NULL,
    note_sealed   BLOB,
    first_seen    INTEGER NOT NULL,
    last_seen     INTEGER NOT NULL,
    seen          INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    changed_by    TEXT NOT NULL CHECK (changed_by IN ('producer', 'operator')),
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX findings_public_id ON findings (org_id, public_id);
CREATE UNIQUE INDEX findings_hash ON findings (org_id, finding_hash);
CREATE INDEX findings_producer ON findings (org_id, producer_hash, state);
CREATE INDEX findings_state ON findings (org_id, state, changed_at);
