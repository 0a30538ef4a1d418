-- What tells a change from the one that has its number in another history of this database: after a backup was
-- restored, numbers are given again. Random, from the first 64 bits of a version 4 UUID.
ALTER TABLE changes ADD COLUMN nonce BIGINT NOT NULL
    DEFAULT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint;
