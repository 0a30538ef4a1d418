-- From when on a key signs. Those that are there have signed since they were made. The table is made anew, since a
-- column can only be added with a default, which no later key is to fall back on.
CREATE TABLE signing_keys_with_start (
    kid TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL
) STRICT;
INSERT INTO signing_keys_with_start SELECT kid, sealed, created_at, created_at FROM signing_keys;
DROP TABLE signing_keys;
ALTER TABLE signing_keys_with_start RENAME TO signing_keys;

-- The oldest session that is live: keys from before it are not needed any more.
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at) WHERE ended_at IS NULL;
