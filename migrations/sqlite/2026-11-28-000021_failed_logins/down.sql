DROP TABLE failed_logins;
DELETE FROM audit WHERE kind = 'logins-failed';
