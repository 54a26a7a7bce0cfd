-- Of what an account asks for by letter, the last one counts; and each kind of
-- flow has room of its own, so it is counted by its kind.

ALTER TABLE flows ADD COLUMN account_id BLOB CHECK (length(account_id) = 16);
CREATE UNIQUE INDEX flows_account ON flows (org_id, kind, account_id) WHERE account_id IS NOT NULL;
CREATE INDEX flows_kind ON flows (org_id, kind);
