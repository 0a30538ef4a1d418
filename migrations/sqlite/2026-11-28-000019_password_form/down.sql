-- The hashes themselves are the same. Whoever types another form than NFC has to set their password anew.
UPDATE users SET password_hash = substr(password_hash, 4) WHERE password_hash LIKE 'nfc$%';
