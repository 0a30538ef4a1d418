-- The feed: records of the audit trail that tell other services of something, in the order of commits. Numbers of records
-- follow their insertion, so a record that has been committed gets another one for the feed afterwards.
ALTER TABLE audit
    -- 0 where it is still to be numbered; NULL where it never will be: what tells nobody of anything, and what was there
    -- before there was a feed. The default is for replicas of an earlier version, which do not know of this.
    ADD COLUMN feed_number BIGINT,
    -- Random, and the same for those that are numbered together. Tells an event from the one that has its number in another
    -- history of this database: after a backup was restored, numbers are given again.
    ADD COLUMN feed_nonce BIGINT,
    -- What is told of the user and the session, who may be gone when it is.
    ADD COLUMN user_uuid BYTEA CHECK (octet_length(user_uuid) = 16),
    ADD COLUMN session_id BIGINT,
    ADD COLUMN session_expires_at BIGINT,
    -- Of an end of very many sessions: the one that stays.
    ADD COLUMN kept_session_uuid BYTEA CHECK (octet_length(kept_session_uuid) = 16);

ALTER TABLE audit ALTER COLUMN feed_number SET DEFAULT 0;

-- What is still to be numbered, in the order of insertion; and the feed.
CREATE INDEX audit_pending ON audit (number) WHERE feed_number = 0;
CREATE UNIQUE INDEX audit_feed ON audit (feed_number) WHERE feed_number > 0;

-- Who gives numbers, or deletes what has one, holds this row until the end of the transaction.
CREATE TABLE feed_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The latest number, and the latest of those that were deleted for their age, with their nonces.
    latest BIGINT NOT NULL,
    latest_nonce BIGINT NOT NULL,
    pruned_to BIGINT NOT NULL,
    pruned_nonce BIGINT NOT NULL
);

INSERT INTO feed_state (id, latest, latest_nonce, pruned_to, pruned_nonce)
SELECT 1, 0, nonce, 0, nonce
FROM (SELECT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint AS nonce) AS drawn;

-- Which services may read the feed, and whether they are told personal data.
ALTER TABLE services
    ADD COLUMN reads_events BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN reads_personal BOOLEAN NOT NULL DEFAULT FALSE;
