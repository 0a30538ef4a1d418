ALTER TABLE replaced_tokens DROP COLUMN session_uuid;
ALTER TABLE services DROP COLUMN asked_at;
