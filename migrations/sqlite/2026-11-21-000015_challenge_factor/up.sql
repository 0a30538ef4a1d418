-- Whether a second factor was shown for this challenge to be given: an enrolment that was begun with the password
-- alone cannot be finished once there is a factor.
ALTER TABLE challenges ADD COLUMN factor_shown INTEGER NOT NULL DEFAULT 0 CHECK (factor_shown IN (0, 1));
