-- What a server does that keeps a flag for each session, and promises nothing to those who cache it.
\set number :number + 1
\set row :first + :number * :clients + :client_id
SELECT * FROM flagged_sessions
    WHERE token = lpad((:row)::text, 39, '0') AND tenant_id = '00000000-0000-4000-8000-000000000001' LIMIT 1;
UPDATE flagged_sessions SET active = FALSE
    WHERE token = lpad((:row)::text, 39, '0') AND tenant_id = '00000000-0000-4000-8000-000000000001';
