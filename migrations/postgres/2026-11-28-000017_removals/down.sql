DELETE FROM challenges WHERE user_id NOT IN (SELECT id FROM users);
ALTER TABLE challenges
    ADD CONSTRAINT challenges_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
DELETE FROM sessions WHERE user_id NOT IN (SELECT id FROM users);
DROP TABLE removals;
