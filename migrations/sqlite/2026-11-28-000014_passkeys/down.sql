ALTER TABLE users DROP COLUMN has_password;
DROP TABLE used_passkey_challenges;
ALTER TABLE second_factors DROP COLUMN passkey;
-- Passkeys are security keys again, and so is what was proved by them.
UPDATE sessions SET authentications = replace(authentications, 'passkey@', 'webauthn@')
    WHERE authentications LIKE '%passkey@%';
