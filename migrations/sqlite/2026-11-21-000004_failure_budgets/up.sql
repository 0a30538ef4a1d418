-- Failures in a row; no row, no failure. Keys: account:<user id>, or name:<keyed hash of an unknown name>.
CREATE TABLE failure_budgets (
    key TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL CHECK (failures >= 0),
    last_at INTEGER NOT NULL
) STRICT;
