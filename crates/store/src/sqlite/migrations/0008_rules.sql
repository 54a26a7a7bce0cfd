-- Rules that an operator made on the running door. What a rule asks and what it
-- came of is sealed; in clear are its state and times.

CREATE TABLE rules (
    org_id      INTEGER NOT NULL,
    id          BLOB NOT NULL CHECK (length(id) = 16),
    public_id   TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('off', 'shadow', 'on')),
    body_sealed BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX rules_public_id ON rules (org_id, public_id);
