DROP INDEX sessions_pass;
ALTER TABLE sessions DROP COLUMN pass_digest;
