-- A user's sessions that somebody ended before they had expired, those that ended last first.
CREATE INDEX sessions_ended_of_user ON sessions (user_id, ended_at DESC, uuid) WHERE ended_at < expires_at;
