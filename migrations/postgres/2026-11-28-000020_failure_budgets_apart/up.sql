-- Keys: account:<user id> (strangers), network:<user id>:<network>, session:<user id>:<uuid>, and name:<keyed hash> of what
-- strangers typed. The account that is guessed at, where there is one.
ALTER TABLE failure_budgets ADD COLUMN user_id BIGINT;
UPDATE failure_budgets SET user_id = CAST(substr(key, 9) AS BIGINT) WHERE key LIKE 'account:%';
CREATE INDEX failure_budgets_of_user ON failure_budgets (user_id) WHERE user_id IS NOT NULL;

-- What wrong answers are charged to: such a key. NULL is the account's.
ALTER TABLE challenges ADD COLUMN budget TEXT;

-- Networks (/24, /48) from which sessions were opened.
CREATE TABLE known_networks (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX known_networks_oldest ON known_networks (last_at);
INSERT INTO known_networks (user_id, network, last_at)
SELECT user_id, network(set_masklen(client_ip::inet, CASE family(client_ip::inet) WHEN 4 THEN 24 ELSE 48 END))::text, max(created_at)
FROM sessions WHERE client_ip IS NOT NULL AND NOT second_factor_pending GROUP BY 1, 2;
