-- Users who were found with more sessions than they may have: what is too much ends in batches.
CREATE TABLE sessions_over_cap (
    user_id BIGINT PRIMARY KEY
);
