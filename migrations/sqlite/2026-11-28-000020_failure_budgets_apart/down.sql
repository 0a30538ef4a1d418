DROP TABLE known_networks;
ALTER TABLE challenges DROP COLUMN budget;
DELETE FROM failure_budgets WHERE key LIKE 'network:%' OR key LIKE 'session:%';
DROP INDEX failure_budgets_of_user;
ALTER TABLE failure_budgets DROP COLUMN user_id;
DELETE FROM audit WHERE kind = 'account-unlocked';
