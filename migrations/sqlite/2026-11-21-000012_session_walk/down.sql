DROP INDEX sessions_newest;
