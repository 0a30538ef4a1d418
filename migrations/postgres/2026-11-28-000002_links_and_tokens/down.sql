DROP TABLE replaced_tokens;
DROP TABLE one_time_links;
