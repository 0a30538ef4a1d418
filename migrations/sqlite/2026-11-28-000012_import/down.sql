DROP INDEX sessions_open_oldest;
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at) WHERE ended_at IS NULL;
DROP INDEX sessions_by_verification_key;
ALTER TABLE sessions DROP COLUMN verification_key;
DROP TABLE verification_keys;
DROP TABLE imported;
