-- Rows outlive their sessions: an ended one says when it ended, by whom and why.
CREATE TABLE sessions (
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

-- A user's open sessions, newest first. Those of one millisecond got descending ids, so the smaller id is newer.
CREATE INDEX sessions_open_of_user ON sessions (user_id, created_at DESC, id, expires_at) WHERE ended_at IS NULL;

-- What is over for longer than it is to be kept.
CREATE INDEX sessions_over ON sessions (COALESCE(ended_at, expires_at));
