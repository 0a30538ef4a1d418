ALTER TABLE challenges DROP COLUMN factor_shown;
