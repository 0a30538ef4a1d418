-- The list of everybody's sessions, whatever their state, newest first.
CREATE INDEX sessions_newest ON sessions (created_at DESC, id, uuid);
