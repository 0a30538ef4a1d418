-- What tells a change from the one that has its number in another history of this database: after a backup was
-- restored, numbers are given again. Random. The table is made anew, since a column cannot be added with such a default.
CREATE TABLE changes_with_nonces (
    number INTEGER NOT NULL PRIMARY KEY,
    -- user, switches or everything
    invalidation TEXT NOT NULL,
    -- No reference: the user may be gone, which is the change.
    user_id INTEGER,
    nonce INTEGER NOT NULL DEFAULT (random())
) STRICT;
INSERT INTO changes_with_nonces (number, invalidation, user_id) SELECT number, invalidation, user_id FROM changes;
DROP TABLE changes;
ALTER TABLE changes_with_nonces RENAME TO changes;
