-- Whether a user has a row in second_factors: what every request of staff asks, so it stands beside the rest of them.
ALTER TABLE users ADD COLUMN has_second_factor INTEGER NOT NULL DEFAULT 0 CHECK (has_second_factor IN (0, 1));

CREATE TABLE second_factors (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- TOTP: the secret, encrypted (JWE), and the step of the last code that was used.
    sealed TEXT,
    last_step INTEGER,
    -- WebAuthn: the authenticator's name for the key, the public key, and the authenticator's counter.
    credential_id BLOB UNIQUE,
    credential TEXT,
    sign_count INTEGER,
    used_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CONSTRAINT second_factors_whole CHECK (
        (kind = 'totp' AND sealed IS NOT NULL AND last_step IS NOT NULL
            AND credential_id IS NULL AND credential IS NULL AND sign_count IS NULL)
        OR (kind = 'webauthn' AND sealed IS NULL AND last_step IS NULL
            AND credential_id IS NOT NULL AND credential IS NOT NULL AND sign_count IS NOT NULL)
    )
) STRICT;

-- A user's factors, newest first.
CREATE INDEX second_factors_of_user ON second_factors (user_id, created_at DESC, id DESC);

-- Codes for the day that the factors are lost. A code is spent once; the digest of its 120 random bits says enough.
CREATE TABLE backup_codes (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    spent_at INTEGER
) STRICT;

CREATE INDEX backup_codes_of_user ON backup_codes (user_id);
