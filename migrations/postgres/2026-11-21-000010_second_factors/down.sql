DROP TABLE backup_codes;
DROP TABLE second_factors;
ALTER TABLE users DROP COLUMN has_second_factor;
