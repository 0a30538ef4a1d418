-- Users who were deleted, until all that was theirs is. Nobody gets such an id.
CREATE TABLE removals (
    user_id BIGINT PRIMARY KEY
);

ALTER TABLE challenges DROP CONSTRAINT challenges_user_id_fkey;
