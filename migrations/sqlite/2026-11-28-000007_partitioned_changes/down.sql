DROP TABLE change_log;
DROP TABLE change_counters;

CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO change_counter (id, number) VALUES (1, 0);

CREATE TABLE changes (
    number INTEGER NOT NULL PRIMARY KEY,
    invalidation TEXT NOT NULL,
    user_id INTEGER,
    nonce INTEGER NOT NULL DEFAULT (random())
) STRICT;

INSERT INTO changes (number, invalidation) VALUES (0, 'everything');
