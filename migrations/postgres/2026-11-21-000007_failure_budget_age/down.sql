DROP INDEX failure_budgets_oldest;
