-- Contracts: changes get new tables under new names, so that a server of an earlier version, which would not see all of
-- them, finds none and answers 503.
DROP TABLE changes;
DROP TABLE change_counter;

-- Changes to users, open sessions and switches are numbered without gaps in the order of commits. There is one writer, and
-- one partition; Postgres has more.
CREATE TABLE change_counters (
    partition INTEGER NOT NULL PRIMARY KEY CHECK (partition = 0),
    -- That of the latest change.
    number INTEGER NOT NULL,
    -- Random, and the latest change's. Tells it from the one that has its number in another history of this database:
    -- after a backup was restored, numbers are given again.
    nonce INTEGER NOT NULL
) STRICT;

INSERT INTO change_counters (partition, number, nonce) VALUES (0, 0, random());

-- The latest changes; older ones are deleted as new ones come.
CREATE TABLE change_log (
    partition INTEGER NOT NULL,
    number INTEGER NOT NULL,
    -- user, switches or everything
    invalidation TEXT NOT NULL,
    -- No reference: the user may be gone, which is the change.
    user_id INTEGER,
    -- Those that are numbered together have the same.
    nonce INTEGER NOT NULL,
    PRIMARY KEY (partition, number)
) STRICT, WITHOUT ROWID;

INSERT INTO change_log (partition, number, invalidation, nonce)
SELECT partition, number, 'everything', nonce FROM change_counters;
