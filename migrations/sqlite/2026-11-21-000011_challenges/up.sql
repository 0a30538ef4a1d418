-- Questions that wait for an answer. The token that a client holds is this id, signed.
CREATE TABLE challenges (
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
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX challenges_of_user ON challenges (user_id);
-- What can be answered no longer.
CREATE INDEX challenges_oldest ON challenges (expires_at);
