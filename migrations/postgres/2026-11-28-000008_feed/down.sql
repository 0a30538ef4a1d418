ALTER TABLE services DROP COLUMN reads_personal, DROP COLUMN reads_events;
DROP TABLE feed_state;
DROP INDEX audit_feed;
DROP INDEX audit_pending;
ALTER TABLE audit
    DROP COLUMN kept_session_uuid,
    DROP COLUMN session_expires_at,
    DROP COLUMN session_id,
    DROP COLUMN user_uuid,
    DROP COLUMN feed_nonce,
    DROP COLUMN feed_number;
