UPDATE sessions SET
    ended_at = min(over.ended_at, sessions.expires_at), ended_by = over.ended_by, ended_why = over.ended_why,
    updated_at = min(over.ended_at, sessions.expires_at)
FROM ended_generations AS over
WHERE over.user_id = sessions.user_id AND over.generation = sessions.generation AND sessions.ended_at IS NULL;

DROP TABLE ended_generations;
CREATE TABLE sessions_without_generations (
    uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    id INTEGER NOT NULL,
    opaque_digest BLOB UNIQUE CHECK (length(opaque_digest) = 32),
    name TEXT NOT NULL,
    -- NULL is an ordinary session, a number the scopes of a scoped one.
    permission_flags INTEGER,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    dialect TEXT NOT NULL,
    client_ip TEXT,
    user_agent TEXT,
    -- What it rests on, oldest first: password@1700000000000,totp@1700000001000
    authentications TEXT NOT NULL,
    second_factor_pending INTEGER NOT NULL CHECK (second_factor_pending IN (0, 1)),
    ended_at INTEGER,
    ended_by TEXT,
    ended_why TEXT,
    -- An id is not used again while its row exists; the index also serves the search for a free one.
    CONSTRAINT sessions_id_of_user UNIQUE (user_id, id),
    CONSTRAINT sessions_ended_whole CHECK (
        (ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_why IS NULL)
    )
) STRICT;
INSERT INTO sessions_without_generations (
    uuid, user_id, id, opaque_digest, name, permission_flags, expires_at, used_at, created_at, updated_at, dialect,
    client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by, ended_why
) SELECT
    uuid, user_id, id, opaque_digest, name, permission_flags, expires_at, used_at, created_at, updated_at, dialect,
    client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by, ended_why
FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_without_generations RENAME TO sessions;

CREATE INDEX sessions_open_of_user ON sessions (user_id, created_at DESC, id, expires_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_over ON sessions (COALESCE(ended_at, expires_at));
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_newest ON sessions (created_at DESC, id, uuid);

ALTER TABLE users DROP COLUMN session_changes;
ALTER TABLE users DROP COLUMN session_generation;
