-- Signing in: roles, what accounts prove themselves with, sessions, and what
-- was begun and waits for a code or a link.

ALTER TABLE accounts ADD COLUMN role TEXT
    CHECK (role IN ('user', 'auditor', 'operator', 'admin', 'owner'));
CREATE INDEX accounts_role ON accounts (org_id, role) WHERE role IS NOT NULL AND role <> 'user';

-- Passwords (their hash), passkeys, TOTP secrets and recovery codes. A recovery
-- code and a passkey are found by a keyed hash; of a code nothing else is kept.
CREATE TABLE factors (
    org_id       INTEGER NOT NULL,
    account_id   BLOB NOT NULL,
    id           BLOB NOT NULL CHECK (length(id) = 16),
    public_id    TEXT NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('password', 'passkey', 'totp', 'recovery')),
    lookup_hash  BLOB CHECK (length(lookup_hash) = 32),
    body_sealed  BLOB NOT NULL,
    label_sealed BLOB,
    -- The last time step whose code was accepted.
    step         INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    used_at      INTEGER,
    PRIMARY KEY (org_id, account_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX factors_public_id ON factors (org_id, account_id, public_id);
CREATE UNIQUE INDEX factors_lookup ON factors (org_id, kind, lookup_hash) WHERE lookup_hash IS NOT NULL;
CREATE UNIQUE INDEX factors_one ON factors (org_id, account_id, kind) WHERE kind IN ('password', 'totp');

CREATE TABLE sessions (
    org_id           INTEGER NOT NULL,
    id               BLOB NOT NULL CHECK (length(id) = 16),
    public_id        TEXT NOT NULL,
    account_id       BLOB NOT NULL,
    token_hash       BLOB NOT NULL CHECK (length(token_hash) = 32),
    listener         TEXT NOT NULL CHECK (listener IN ('public', 'admin')),
    strong           INTEGER NOT NULL CHECK (strong IN (0, 1)),
    created_at       INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    seen_at          INTEGER NOT NULL,
    about_sealed     BLOB NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_token ON sessions (org_id, token_hash);
CREATE INDEX sessions_account ON sessions (org_id, account_id);

-- Whoever has the token may go on; the token itself is not kept.
CREATE TABLE flows (
    org_id      INTEGER NOT NULL,
    token_hash  BLOB NOT NULL CHECK (length(token_hash) = 32),
    kind        TEXT NOT NULL CHECK (kind IN ('set_up', 'sign_up', 'reset')),
    body_sealed BLOB NOT NULL,
    tries_left  INTEGER NOT NULL CHECK (tries_left >= 0),
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (org_id, token_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX flows_expiry ON flows (org_id, expires_at);
