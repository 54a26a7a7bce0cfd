-- What an incident did to an account: told to it until it says that it has read
-- it. The words are made when it is read. One that was read stays until it is
-- old, so that the same incident is not told again.

CREATE TABLE notices (
    org_id     INTEGER NOT NULL,
    account_id BLOB NOT NULL CHECK (length(account_id) = 16),
    public_id  TEXT NOT NULL,
    verdict    TEXT NOT NULL CHECK (verdict IN ('normal', 'known_demand', 'unknown_demand', 'upstream_slow', 'retry_storm', 'unclear')),
    refused    INTEGER NOT NULL CHECK (refused >= 0),
    cut        INTEGER NOT NULL CHECK (cut >= 0),
    delayed    INTEGER NOT NULL CHECK (delayed >= 0),
    began_at   INTEGER NOT NULL,
    ended_at   INTEGER,
    read       INTEGER NOT NULL CHECK (read IN (0, 1)),
    PRIMARY KEY (org_id, account_id, public_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_age ON notices (org_id, began_at);
CREATE INDEX notices_open ON notices (org_id) WHERE ended_at IS NULL;
