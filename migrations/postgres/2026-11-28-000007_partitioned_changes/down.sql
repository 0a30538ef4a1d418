DROP TABLE change_log;
DROP TABLE change_counters;

CREATE TABLE change_counter (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);

INSERT INTO change_counter (id, number) VALUES (1, 0);

CREATE TABLE changes (
    number BIGINT PRIMARY KEY,
    invalidation TEXT NOT NULL,
    user_id BIGINT,
    nonce BIGINT NOT NULL DEFAULT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint
);

INSERT INTO changes (number, invalidation) VALUES (0, 'everything');
