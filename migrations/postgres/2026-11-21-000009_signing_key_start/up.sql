-- From when on a key signs. Those that are there have signed since they were made.
ALTER TABLE signing_keys ADD COLUMN signs_from BIGINT;
UPDATE signing_keys SET signs_from = created_at;
ALTER TABLE signing_keys ALTER COLUMN signs_from SET NOT NULL;

-- The oldest session that is live: keys from before it are not needed any more.
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at) WHERE ended_at IS NULL;
