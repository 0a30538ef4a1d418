-- Keys: account:<user id> (strangers), network:<user id>:<network>, session:<user id>:<uuid>, and name:<keyed hash> of what
-- strangers typed. The account that is guessed at, where there is one.
ALTER TABLE failure_budgets ADD COLUMN user_id INTEGER;
UPDATE failure_budgets SET user_id = CAST(substr(key, 9) AS INTEGER) WHERE key LIKE 'account:%';
CREATE INDEX failure_budgets_of_user ON failure_budgets (user_id) WHERE user_id IS NOT NULL;

-- What wrong answers are charged to: such a key. NULL is the account's.
ALTER TABLE challenges ADD COLUMN budget TEXT;

-- Networks (/24, /48) from which sessions were opened.
CREATE TABLE known_networks (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_networks_oldest ON known_networks (last_at);
-- Those of IPv6 become known with the next session: their texts cannot be taken apart here.
INSERT INTO known_networks (user_id, network, last_at)
SELECT user_id, rtrim(client_ip, '0123456789') || '0/24', max(created_at)
FROM sessions WHERE client_ip NOT LIKE '%:%' AND second_factor_pending = 0 GROUP BY 1, 2;
