SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'factory' AND pid <> pg_backend_pid() AND datname = current_database()
