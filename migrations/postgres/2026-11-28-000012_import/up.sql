-- What came from other programs, by what they know it by: for ever, so that nothing comes twice, and nothing that ended or
-- was deleted here comes back.
CREATE TABLE imported (
    -- reference, kratos or users
    source TEXT NOT NULL,
    -- account, session or factor
    kind TEXT NOT NULL,
    source_id TEXT COLLATE "C" NOT NULL,
    -- No reference: the user may be gone. It is not the id, which somebody else may get then.
    user_uuid BYTEA NOT NULL CHECK (octet_length(user_uuid) = 16),
    imported_at BIGINT NOT NULL,
    PRIMARY KEY (source, kind, source_id)
);

-- Public keys of those programs. They verify tokens of sessions that came from there, sign nothing, and are published
-- nowhere.
CREATE TABLE verification_keys (
    id BYTEA PRIMARY KEY CHECK (octet_length(id) = 16),
    jwk TEXT NOT NULL,
    -- The iss of the tokens; NULL where they have none.
    issuer TEXT,
    created_at BIGINT NOT NULL
);

-- The key that verifies a session's token, where it is none of ours.
ALTER TABLE sessions ADD COLUMN verification_key BYTEA CHECK (octet_length(verification_key) = 16);

-- Whether a key is still needed.
CREATE INDEX sessions_by_verification_key ON sessions (verification_key, expires_at)
    WHERE verification_key IS NOT NULL AND ended_at IS NULL;

-- Sessions whose tokens other keys verify need none of ours, however old they are.
DROP INDEX sessions_open_oldest;
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at)
    WHERE ended_at IS NULL AND verification_key IS NULL;
