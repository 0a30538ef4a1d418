-- Questions that wait for an answer. The token that a client holds is this id, signed.
CREATE TABLE challenges (
    id BYTEA PRIMARY KEY CHECK (octet_length(id) = 16),
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- login, reverification, totp_enrolment or webauthn_enrolment
    purpose TEXT NOT NULL,
    -- The session that asked, by its uuid, and the method and path that it asked for.
    session_uuid BYTEA CHECK (octet_length(session_uuid) = 16),
    endpoint TEXT,
    credential_version BIGINT NOT NULL,
    -- What the answer is judged by; secrets in it are encrypted (JWE).
    state TEXT,
    failures BIGINT NOT NULL CHECK (failures >= 0),
    spent BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX challenges_of_user ON challenges (user_id);
-- What can be answered no longer.
CREATE INDEX challenges_oldest ON challenges (expires_at);
