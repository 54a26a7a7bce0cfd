-- Whether a provider's group gave an account its role and its group: what is not
-- granted any more at the next sign-in is taken back, what was given by hand stays.
ALTER TABLE accounts ADD COLUMN role_granted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN group_granted INTEGER NOT NULL DEFAULT 0;
