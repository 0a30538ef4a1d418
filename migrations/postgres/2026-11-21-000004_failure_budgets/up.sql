-- Failures in a row; no row, no failure. Keys: account:<user id>, or name:<keyed hash of an unknown name>.
CREATE TABLE failure_budgets (
    key TEXT PRIMARY KEY,
    failures BIGINT NOT NULL CHECK (failures >= 0),
    last_at BIGINT NOT NULL
);
