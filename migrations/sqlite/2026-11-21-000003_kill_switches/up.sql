-- A switch without a row is off. The bits of those that are on add up to the set that a request is judged by.
CREATE TABLE kill_switches (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 0 AND 8),
    bit INTEGER NOT NULL GENERATED ALWAYS AS (1 << id) STORED,
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    changed_by TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
