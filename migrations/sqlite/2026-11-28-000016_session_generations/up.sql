-- All sessions of a user end at once by one number: a session counts only while its generation is the user's. The
-- other number counts what opens, ends or prolongs sessions, so that it can be told whether a count of them still holds.
ALTER TABLE users ADD COLUMN session_generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN session_changes INTEGER NOT NULL DEFAULT 0;

-- The table is made anew, since neither a reference can be dropped nor such a column be added. A user is deleted at
-- once, without the sessions; their rows follow in batches.
CREATE TABLE sessions_of_generations (
    uuid BLOB NOT NULL PRIMARY KEY CHECK (length(uuid) = 16),
    user_id INTEGER NOT NULL,
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
    generation INTEGER NOT NULL DEFAULT 0,
    -- What an open session counts as: 0 full, 1 scoped, 2 full with its second factor pending. NULL once it has ended.
    kind INTEGER GENERATED ALWAYS AS (
        CASE WHEN ended_at IS NOT NULL THEN NULL
            WHEN permission_flags IS NOT NULL THEN 1
            WHEN second_factor_pending THEN 2
            ELSE 0 END
    ) STORED,
    -- An id is not used again while its row exists; the index also serves the search for a free one.
    CONSTRAINT sessions_id_of_user UNIQUE (user_id, id),
    CONSTRAINT sessions_ended_whole CHECK (
        (ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_why IS NULL)
    )
) STRICT;
INSERT INTO sessions_of_generations (
    uuid, user_id, id, opaque_digest, name, permission_flags, expires_at, used_at, created_at, updated_at, dialect,
    client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by, ended_why
) SELECT
    uuid, user_id, id, opaque_digest, name, permission_flags, expires_at, used_at, created_at, updated_at, dialect,
    client_ip, user_agent, authentications, second_factor_pending, ended_at, ended_by, ended_why
FROM sessions;
DROP TABLE sessions;
ALTER TABLE sessions_of_generations RENAME TO sessions;

CREATE INDEX sessions_over ON sessions (COALESCE(ended_at, expires_at));
CREATE INDEX sessions_open_oldest ON sessions (created_at, expires_at) WHERE ended_at IS NULL;
CREATE INDEX sessions_newest ON sessions (created_at DESC, id, uuid);

-- How generations ended, until each of their rows says so itself.
CREATE TABLE ended_generations (
    user_id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    ended_by TEXT NOT NULL,
    ended_why TEXT NOT NULL,
    PRIMARY KEY (user_id, generation)
) STRICT;

-- A user's open sessions, newest first. Those of one millisecond got descending ids, so the smaller id is newer. The
-- moment is negated so that no planner takes the index over everybody's sessions for this order: it may begin with very
-- many of generations that are over.
CREATE INDEX sessions_open_of_user ON sessions (user_id, generation, (-created_at), id, expires_at)
    WHERE ended_at IS NULL;

-- A user's open sessions to be counted, from this index alone.
CREATE INDEX sessions_by_kind ON sessions (user_id, generation, kind, expires_at) WHERE kind IS NOT NULL;
