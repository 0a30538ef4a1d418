-- Where a passkey may be; NULL where a factor is none. To servers without passkeys it is a security key.
ALTER TABLE second_factors ADD COLUMN passkey TEXT
    CONSTRAINT second_factors_passkey CHECK (passkey IS NULL OR (kind = 'webauthn' AND passkey IN ('device_bound', 'synced')));

-- Challenges to passkeys that were answered. Such a challenge names nobody and is stored nowhere; that it was used is
-- remembered until it expires.
CREATE TABLE used_passkey_challenges (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX used_passkey_challenges_oldest ON used_passkey_challenges (expires_at);

-- Whether the user has a password. Where not, password_hash is the hash of one that nobody knows.
ALTER TABLE users ADD COLUMN has_password INTEGER NOT NULL DEFAULT 1 CHECK (has_password IN (0, 1));
