-- Conversations: their owners' own copies. An account stands in the key of
-- every table and index here, so that an id of somebody else's finds nothing.
-- All *_sealed columns are under the account's data keys; *_hash is keyed.

CREATE TABLE conversations (
    org_id               INTEGER NOT NULL,
    account_id           BLOB NOT NULL,
    id                   BLOB NOT NULL CHECK (length(id) = 16),
    public_id            TEXT NOT NULL,
    temporary            INTEGER NOT NULL CHECK (temporary IN (0, 1)),
    archived             INTEGER NOT NULL CHECK (archived IN (0, 1)),
    -- The number of the newest message, that of the leaf which is looked at, and
    -- the sealed bytes of all content.
    last_message         INTEGER NOT NULL,
    active               INTEGER NOT NULL,
    bytes                INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    title_sealed         BLOB NOT NULL,
    system_prompt_sealed BLOB,
    PRIMARY KEY (org_id, account_id, id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, id)
) STRICT;
CREATE UNIQUE INDEX conversations_public_id ON conversations (org_id, account_id, public_id);
CREATE INDEX conversations_recent ON conversations (org_id, account_id, temporary, archived, updated_at, id);
CREATE INDEX conversations_bytes ON conversations (org_id, account_id, bytes);
CREATE INDEX conversations_temporary ON conversations (org_id, updated_at) WHERE temporary = 1;

-- The content stands last: a walk along the tree does not read it.
CREATE TABLE messages (
    org_id          INTEGER NOT NULL,
    account_id      BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    number          INTEGER NOT NULL CHECK (number > 0),
    id              BLOB NOT NULL CHECK (length(id) = 16),
    parent          INTEGER NOT NULL CHECK (parent >= 0 AND parent < number),
    role            TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    state           TEXT NOT NULL CHECK (state IN ('complete', 'stopped', 'partial')),
    attachments     INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    content_sealed  BLOB NOT NULL,
    PRIMARY KEY (org_id, account_id, conversation_id, number),
    FOREIGN KEY (org_id, account_id, conversation_id)
        REFERENCES conversations (org_id, account_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX messages_id ON messages (org_id, account_id, conversation_id, id);
CREATE INDEX messages_parent ON messages (org_id, account_id, conversation_id, parent, number);

CREATE TABLE attachments (
    org_id          INTEGER NOT NULL,
    account_id      BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    message         INTEGER NOT NULL,
    ordinal         INTEGER NOT NULL,
    name_sealed     BLOB NOT NULL,
    text_sealed     BLOB NOT NULL,
    PRIMARY KEY (org_id, account_id, conversation_id, message, ordinal),
    FOREIGN KEY (org_id, account_id, conversation_id, message)
        REFERENCES messages (org_id, account_id, conversation_id, number) ON DELETE CASCADE
) STRICT;

-- What was shown is never altered, whoever asks.
CREATE TRIGGER messages_never_change BEFORE UPDATE ON messages
BEGIN SELECT RAISE(ABORT, 'a message never changes'); END;
CREATE TRIGGER attachments_never_change BEFORE UPDATE ON attachments
BEGIN SELECT RAISE(ABORT, 'an attachment never changes'); END;

CREATE TABLE drafts (
    org_id          INTEGER NOT NULL,
    account_id      BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    updated_at      INTEGER NOT NULL,
    text_sealed     BLOB NOT NULL,
    PRIMARY KEY (org_id, account_id, conversation_id),
    FOREIGN KEY (org_id, account_id, conversation_id)
        REFERENCES conversations (org_id, account_id, id) ON DELETE CASCADE
) STRICT;

-- Answers that are being written: the last checkpoint of each. It is sealed as
-- the message that it will be, so that it becomes one as it is after a crash.
CREATE TABLE answers (
    org_id          INTEGER NOT NULL,
    account_id      BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    id              BLOB NOT NULL CHECK (length(id) = 16),
    parent          INTEGER NOT NULL,
    offset_bytes    INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    content_sealed  BLOB NOT NULL,
    PRIMARY KEY (org_id, account_id, conversation_id, id),
    FOREIGN KEY (org_id, account_id, conversation_id)
        REFERENCES conversations (org_id, account_id, id) ON DELETE CASCADE
) STRICT;

-- Whoever has the token reads the messages from `leaf` up to the first one.
-- The token itself is not kept.
CREATE TABLE shares (
    org_id          INTEGER NOT NULL,
    account_id      BLOB NOT NULL,
    conversation_id BLOB NOT NULL,
    public_id       TEXT NOT NULL,
    token_hash      BLOB NOT NULL CHECK (length(token_hash) = 32),
    leaf            INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    PRIMARY KEY (org_id, account_id, conversation_id, public_id),
    FOREIGN KEY (org_id, account_id, conversation_id, leaf)
        REFERENCES messages (org_id, account_id, conversation_id, number) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX shares_token ON shares (org_id, token_hash);
CREATE INDEX shares_leaf ON shares (org_id, account_id, conversation_id, leaf);
CREATE INDEX shares_expiry ON shares (org_id, expires_at);
