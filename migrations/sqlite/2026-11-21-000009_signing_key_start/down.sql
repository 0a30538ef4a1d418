DROP INDEX sessions_open_oldest;
ALTER TABLE signing_keys DROP COLUMN signs_from;
