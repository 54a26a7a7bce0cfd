-- What an account earns its class by: the class that it was given, since when
-- it is known, the days of good use that an import brought (or, negative, that
-- a suspension took), and those that were counted here. Nulls: as it was made.

ALTER TABLE accounts ADD COLUMN class_given TEXT
    CHECK (class_given IN ('established', 'verified', 'new', 'anonymous'));
ALTER TABLE accounts ADD COLUMN known_since INTEGER;
ALTER TABLE accounts ADD COLUMN days_brought INTEGER NOT NULL DEFAULT 0;

-- Apart, like last uses, so that its batches never touch the rows above.
CREATE TABLE account_uses (
    org_id     INTEGER NOT NULL,
    account_id BLOB NOT NULL,
    good_days  INTEGER NOT NULL,
    last_day   INTEGER NOT NULL,
    PRIMARY KEY (org_id, account_id),
    FOREIGN KEY (org_id, account_id) REFERENCES accounts (org_id, id)
) STRICT, WITHOUT ROWID;
