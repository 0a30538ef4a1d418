-- When a service last asked, to the minute.
ALTER TABLE services ADD COLUMN asked_at INTEGER;

-- The session whose token was replaced: so that staff are told whose an old token was.
ALTER TABLE replaced_tokens ADD COLUMN session_uuid BLOB CHECK (length(session_uuid) = 16);
