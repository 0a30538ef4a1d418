DROP TABLE sessions_over_cap;
