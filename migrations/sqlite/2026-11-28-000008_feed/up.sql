-- The feed: records of the audit trail that tell other services of something, in the order of commits. There is one writer,
-- so their own numbers have that order, too; but on Postgres they have not, and what has been committed gets another one for
-- the feed afterwards.
-- 0 where it is still to be numbered; NULL where it never will be: what tells nobody of anything, and what was there before
-- there was a feed.
ALTER TABLE audit ADD COLUMN feed_number INTEGER;
-- Random, and the same for those that are numbered together. Tells an event from the one that has its number in another
-- history of this database: after a backup was restored, numbers are given again.
ALTER TABLE audit ADD COLUMN feed_nonce INTEGER;
-- What is told of the user and the session, who may be gone when it is.
ALTER TABLE audit ADD COLUMN user_uuid BLOB CHECK (length(user_uuid) = 16);
ALTER TABLE audit ADD COLUMN session_id INTEGER;
ALTER TABLE audit ADD COLUMN session_expires_at INTEGER;
-- Of an end of very many sessions: the one that stays.
ALTER TABLE audit ADD COLUMN kept_session_uuid BLOB CHECK (length(kept_session_uuid) = 16);

-- What is still to be numbered, in the order of insertion; and the feed.
CREATE INDEX audit_pending ON audit (number) WHERE feed_number = 0;
CREATE UNIQUE INDEX audit_feed ON audit (feed_number) WHERE feed_number > 0;

CREATE TABLE feed_state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- The latest number, and the latest of those that were deleted for their age, with their nonces.
    latest INTEGER NOT NULL,
    latest_nonce INTEGER NOT NULL,
    pruned_to INTEGER NOT NULL,
    pruned_nonce INTEGER NOT NULL
) STRICT;

INSERT INTO feed_state (id, latest, latest_nonce, pruned_to, pruned_nonce)
SELECT 1, 0, nonce, 0, nonce FROM (SELECT random() AS nonce LIMIT 1);

-- Which services may read the feed, and whether they are told personal data.
ALTER TABLE services ADD COLUMN reads_events INTEGER NOT NULL DEFAULT 0 CHECK (reads_events IN (0, 1));
ALTER TABLE services ADD COLUMN reads_personal INTEGER NOT NULL DEFAULT 0 CHECK (reads_personal IN (0, 1));
