-- Contracts: changes get new tables under new names, so that a replica of an earlier version, which would not see all of
-- them, finds none and answers 503.
DROP TABLE changes;
DROP TABLE change_counter;

-- Changes to users, open sessions and switches are numbered, in each partition without gaps in the order of commits:
-- whoever numbers a change holds the partition's row until the end of the transaction. A user's changes go to one of 1 to
-- 64, so that few wait for each other; what concerns no single user goes to 0. All rows fit on one page, with as much
-- room again for their next versions.
CREATE TABLE change_counters (
    partition INTEGER PRIMARY KEY CHECK (partition >= 0),
    -- That of the latest change.
    number BIGINT NOT NULL,
    -- Random, and the latest change's. Tells it from the one that has its number in another history of this database:
    -- after a backup was restored, numbers are given again. From the first 64 bits of a version 4 UUID.
    nonce BIGINT NOT NULL DEFAULT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint
);

INSERT INTO change_counters (partition, number) SELECT partition, 0 FROM generate_series(0, 64) AS partition;

-- The latest changes of each partition; older ones are deleted as new ones come.
CREATE TABLE change_log (
    partition INTEGER NOT NULL,
    number BIGINT NOT NULL,
    -- user, switches or everything
    invalidation TEXT NOT NULL,
    -- No reference: the user may be gone, which is the change.
    user_id BIGINT,
    -- Those that are numbered together have the same.
    nonce BIGINT NOT NULL,
    PRIMARY KEY (partition, number)
);

INSERT INTO change_log (partition, number, invalidation, nonce)
SELECT partition, number, 'everything', nonce FROM change_counters;
