-- People: groups, accounts, keys and what hangs on them.
--
-- Every table and index begins with org_id (one organisation for now).
-- *_hash columns are keyed hashes (32 bytes) that equal texts share; *_sealed
-- columns are opened by the vault only. Instants are epoch milliseconds, UTC.

CREATE TABLE meta (
    org_id INTEGER NOT NULL,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
    org_id      INTEGER NOT NULL,
    id          BLOB NOT NULL CHECK (length(id) = 16),
    public_id   TEXT NOT NULL,
    name_hash   BLOB NOT NULL CHECK (length(name_hash) = 32),
    name_sealed BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX groups_public_id ON groups (org_id, public_id);
CREATE UNIQUE INDEX groups_name ON groups (org_id, name_hash);

CREATE TABLE accounts (
    org_id          INTEGER NOT NULL,
    id              BLOB NOT NULL CHECK (length(id) = 16),
    public_id       TEXT NOT NULL,
    email_hash      BLOB CHECK (length(email_hash) = 32),
    email_sealed    BLOB,
    external_hash   BLOB CHECK (length(external_hash) = 32),
    external_sealed BLOB,
    class           TEXT NOT NULL CHECK (class IN ('established', 'verified', 'new', 'anonymous')),
    group_id        BLOB,
    suspended       INTEGER NOT NULL CHECK (suspended IN (0, 1)),
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, group_id) REFERENCES groups (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_public_id ON accounts (org_id, public_id);
CREATE UNIQUE INDEX accounts_email ON accounts (org_id, email_hash);
CREATE UNIQUE INDEX accounts_external ON accounts (org_id, external_hash);
CREATE INDEX accounts_group ON accounts (org_id, group_id);

CREATE TABLE keys (
    org_id           INTEGER NOT NULL,
    id               BLOB NOT NULL CHECK (length(id) = 16),
    public_id        TEXT NOT NULL,
    name_hash        BLOB NOT NULL CHECK (length(name_hash) = 32),
    name_sealed      BLOB NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('own', 'sha256', 'bcrypt')),
    credential_hash  BLOB NOT NULL CHECK (length(credential_hash) = 32),
    bcrypt_sealed    BLOB,
    prefix_hash      BLOB CHECK (length(prefix_hash) = 32),
    prefix_len       INTEGER,
    last_four_sealed BLOB,
    account_id       BLOB,
    group_id         BLOB,
    scopes_sealed    BLOB,
    delegates        INTEGER NOT NULL CHECK (delegates IN (0, 1)),
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER,
    revoked_at       INTEGER,
    PRIMARY KEY (org_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, id),
    FOREIGN KEY (org_id, group_id) REFERENCES groups (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keys_public_id ON keys (org_id, public_id);
CREATE UNIQUE INDEX keys_credential ON keys (org_id, credential_hash);
-- A revoked key's name is free again: a replacement may carry it.
CREATE UNIQUE INDEX keys_name ON keys (org_id, ifnull(account_id, x''), name_hash) WHERE revoked_at IS NULL;
CREATE INDEX keys_by_name ON keys (org_id, name_hash);
CREATE INDEX keys_account ON keys (org_id, account_id, id);

-- Last use lives apart, so that its batches never touch the rows above.
CREATE TABLE key_uses (
    org_id       INTEGER NOT NULL,
    key_id       BLOB NOT NULL,
    last_used_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, key_id),
    FOREIGN KEY (org_id, key_id) REFERENCES keys (org_id, id)
) STRICT, WITHOUT ROWID;

-- End users that delegating keys named: a keyed hash, never the text.
CREATE TABLE delegated_users (
    org_id     INTEGER NOT NULL,
    key_id     BLOB NOT NULL,
    user_hash  BLOB NOT NULL CHECK (length(user_hash) = 16),
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (org_id, key_id, user_hash),
    FOREIGN KEY (org_id, key_id) REFERENCES keys (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delegated_users_last_seen ON delegated_users (org_id, last_seen);

-- One row for each subject that has limits of its own. They name models: sealed.
CREATE TABLE limits (
    org_id        INTEGER NOT NULL,
    subject_kind  TEXT NOT NULL CHECK (subject_kind IN ('group', 'account', 'key', 'user')),
    subject_id    BLOB NOT NULL,
    limits_sealed BLOB NOT NULL,
    PRIMARY KEY (org_id, subject_kind, subject_id)
) STRICT, WITHOUT ROWID;

-- The configurations that decisions ran under.
CREATE TABLE configs (
    org_id      INTEGER NOT NULL,
    id          BLOB NOT NULL CHECK (length(id) = 16),
    hash        TEXT NOT NULL,
    text_sealed BLOB NOT NULL,
    kept_at     INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX configs_hash ON configs (org_id, hash);
