-- Whether a user has a row in second_factors: what every request of staff asks, so it stands beside the rest of them.
ALTER TABLE users ADD COLUMN has_second_factor BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE second_factors (
    id BYTEA PRIMARY KEY CHECK (octet_length(id) = 16),
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- TOTP: the secret, encrypted (JWE), and the step of the last code that was used.
    sealed TEXT,
    last_step BIGINT,
    -- WebAuthn: the authenticator's name for the key, the public key, and the authenticator's counter.
    credential_id BYTEA UNIQUE,
    credential TEXT,
    sign_count BIGINT,
    used_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT second_factors_whole CHECK (
        (kind = 'totp' AND sealed IS NOT NULL AND last_step IS NOT NULL
            AND credential_id IS NULL AND credential IS NULL AND sign_count IS NULL)
        OR (kind = 'webauthn' AND sealed IS NULL AND last_step IS NULL
            AND credential_id IS NOT NULL AND credential IS NOT NULL AND sign_count IS NOT NULL)
    )
);

-- A user's factors, newest first.
CREATE INDEX second_factors_of_user ON second_factors (user_id, created_at DESC, id DESC);

-- Codes for the day that the factors are lost. A code is spent once; the digest of its 120 random bits says enough.
CREATE TABLE backup_codes (
    digest BYTEA PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    spent_at BIGINT
);

CREATE INDEX backup_codes_of_user ON backup_codes (user_id);
