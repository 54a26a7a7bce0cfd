-- Since when an account has its class, and why. Of accounts that were made
-- before this was kept, nothing is known but when they were made.

ALTER TABLE accounts ADD COLUMN class_since INTEGER;
ALTER TABLE accounts ADD COLUMN class_why TEXT;
