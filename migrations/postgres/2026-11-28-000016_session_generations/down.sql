UPDATE sessions SET
    ended_at = LEAST(over.ended_at, sessions.expires_at), ended_by = over.ended_by, ended_why = over.ended_why,
    updated_at = LEAST(over.ended_at, sessions.expires_at)
FROM ended_generations AS over
WHERE over.user_id = sessions.user_id AND over.generation = sessions.generation AND sessions.ended_at IS NULL;

DROP TABLE ended_generations;
DROP INDEX sessions_by_kind;
DROP INDEX sessions_open_of_user;
ALTER TABLE sessions
    DROP COLUMN kind,
    DROP COLUMN generation,
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
CREATE INDEX sessions_open_of_user ON sessions (user_id, created_at DESC, id, expires_at) WHERE ended_at IS NULL;
ALTER TABLE users DROP COLUMN session_changes, DROP COLUMN session_generation;
