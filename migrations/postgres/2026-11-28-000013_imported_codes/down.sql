DROP TABLE imported_codes;
