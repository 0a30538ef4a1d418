DELETE FROM challenges WHERE user_id NOT IN (SELECT id FROM users);
DELETE FROM sessions WHERE user_id NOT IN (SELECT id FROM users);
DROP TABLE removals;

CREATE TABLE challenges_of_users (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- login, reverification, totp_enrolment or webauthn_enrolment
    purpose TEXT NOT NULL,
    -- The session that asked, by its uuid, and the method and path that it asked for.
    session_uuid BLOB CHECK (length(session_uuid) = 16),
    endpoint TEXT,
    credential_version INTEGER NOT NULL,
    -- What the answer is judged by; secrets in it are encrypted (JWE).
    state TEXT,
    failures INTEGER NOT NULL CHECK (failures >= 0),
    spent INTEGER NOT NULL CHECK (spent IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    factor_shown INTEGER NOT NULL DEFAULT 0 CHECK (factor_shown IN (0, 1))
) STRICT;
INSERT INTO challenges_of_users SELECT
    id, user_id, purpose, session_uuid, endpoint, credential_version, state, failures, spent, created_at, expires_at,
    factor_shown
FROM challenges;
DROP TABLE challenges;
ALTER TABLE challenges_of_users RENAME TO challenges;

CREATE INDEX challenges_of_user ON challenges (user_id);
-- What can be answered no longer.
CREATE INDEX challenges_oldest ON challenges (expires_at);
