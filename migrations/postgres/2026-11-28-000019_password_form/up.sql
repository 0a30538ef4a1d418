-- From here on a hash may begin with "nfc": the password was in that Unicode form when it was hashed. Those that do not are
-- marked, or made anew, at their users' next login.
SELECT 1;
