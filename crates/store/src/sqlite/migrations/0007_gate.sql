-- The gate before new accounts: where it stands, invites, the waiting list, and
-- who came by which invite. A token is kept as a keyed hash; what is said of the
-- gate, an invite's note and the e-mails of those who wait are sealed.

CREATE TABLE gate_state (
    org_id        INTEGER NOT NULL,
    base          TEXT NOT NULL CHECK (base IN ('open', 'work', 'verified', 'invite', 'region', 'closed')),
    base_by       TEXT NOT NULL CHECK (base_by IN ('config', 'hand')),
    step          TEXT NOT NULL CHECK (step IN ('open', 'work', 'verified', 'invite', 'region', 'closed')),
    moved_by      TEXT NOT NULL CHECK (moved_by IN ('config', 'hand', 'pressure')),
    since         INTEGER NOT NULL,
    reason_sealed BLOB NOT NULL,
    PRIMARY KEY (org_id)
) STRICT, WITHOUT ROWID;

-- `made_by` is the account that gave the invite; NULL is the operator.
CREATE TABLE gate_invites (
    org_id      INTEGER NOT NULL,
    id          BLOB NOT NULL CHECK (length(id) = 16),
    public_id   TEXT NOT NULL,
    token_hash  BLOB NOT NULL CHECK (length(token_hash) = 32),
    made_by     BLOB CHECK (length(made_by) = 16),
    note_sealed BLOB,
    uses_max    INTEGER NOT NULL CHECK (uses_max > 0),
    uses        INTEGER NOT NULL CHECK (uses BETWEEN 0 AND uses_max),
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    revoked_at  INTEGER,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX gate_invites_public_id ON gate_invites (org_id, public_id);
CREATE UNIQUE INDEX gate_invites_token ON gate_invites (org_id, token_hash);
CREATE INDEX gate_invites_made_by ON gate_invites (org_id, made_by, id) WHERE made_by IS NOT NULL;

CREATE TABLE gate_guests (
    org_id     INTEGER NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    invite_id  BLOB NOT NULL CHECK (length(invite_id) = 16),
    came_at    INTEGER NOT NULL,
    PRIMARY KEY (org_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX gate_guests_invite ON gate_guests (org_id, invite_id);

-- A place waits until `let_in_at`, and is good from then until `expires_at`.
CREATE TABLE gate_places (
    org_id       INTEGER NOT NULL,
    number       INTEGER NOT NULL CHECK (number > 0),
    email_hash   BLOB NOT NULL CHECK (length(email_hash) = 32),
    email_sealed BLOB NOT NULL,
    network_hash BLOB NOT NULL CHECK (length(network_hash) = 32),
    joined_at    INTEGER NOT NULL,
    let_in_at    INTEGER,
    expires_at   INTEGER,
    PRIMARY KEY (org_id, number),
    CHECK ((let_in_at IS NULL) = (expires_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX gate_places_email ON gate_places (org_id, email_hash);
CREATE INDEX gate_places_waiting ON gate_places (org_id, number) WHERE let_in_at IS NULL;
CREATE INDEX gate_places_network ON gate_places (org_id, network_hash) WHERE let_in_at IS NULL;
CREATE INDEX gate_places_expiry ON gate_places (org_id, expires_at) WHERE let_in_at IS NOT NULL;
