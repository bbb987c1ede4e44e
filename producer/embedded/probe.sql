SHOW data_directory;
SELECT datname FROM pg_database WHERE datname = 'factory';
