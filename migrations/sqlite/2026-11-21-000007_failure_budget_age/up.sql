-- Budgets that nobody has used for longer than they are to be kept.
CREATE INDEX failure_budgets_oldest ON failure_budgets (last_at);
