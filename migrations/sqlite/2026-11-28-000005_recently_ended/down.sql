DROP INDEX sessions_ended_of_user;
