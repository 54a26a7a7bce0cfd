-- A place is whose ticket it is, and not whose e-mail: asking for one must not tell
-- who waits already.

DROP INDEX gate_places_email;
CREATE INDEX gate_places_email ON gate_places (org_id, email_hash);
