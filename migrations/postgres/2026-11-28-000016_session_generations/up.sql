-- All sessions of a user end at once by one number: a session counts only while its generation is the user's. The
-- other number counts what opens, ends or prolongs sessions, so that it can be told whether a count of them still holds.
ALTER TABLE users
    ADD COLUMN session_generation BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN session_changes BIGINT NOT NULL DEFAULT 0;

ALTER TABLE sessions
    ADD COLUMN generation BIGINT NOT NULL DEFAULT 0,
    -- What an open session counts as: 0 full, 1 scoped, 2 full with its second factor pending. NULL once it has ended.
    ADD COLUMN kind BIGINT GENERATED ALWAYS AS (
        CASE WHEN ended_at IS NOT NULL THEN NULL
            WHEN permission_flags IS NOT NULL THEN 1
            WHEN second_factor_pending THEN 2
            ELSE 0 END
    ) STORED,
    -- A user is deleted at once; the rows follow in batches.
    DROP CONSTRAINT sessions_user_id_fkey;

-- How generations ended, until each of their rows says so itself.
CREATE TABLE ended_generations (
    user_id BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    ended_by TEXT NOT NULL,
    ended_why TEXT NOT NULL,
    PRIMARY KEY (user_id, generation)
);

-- A user's open sessions, newest first. Those of one millisecond got descending ids, so the smaller id is newer. The
-- moment is negated so that no planner takes the index over everybody's sessions for this order: it may begin with very
-- many of generations that are over.
DROP INDEX sessions_open_of_user;
CREATE INDEX sessions_open_of_user ON sessions (user_id, generation, (-created_at), id, expires_at)
    WHERE ended_at IS NULL;

-- A user's open sessions to be counted, from this index alone.
CREATE INDEX sessions_by_kind ON sessions (user_id, generation, kind, expires_at) WHERE kind IS NOT NULL;
