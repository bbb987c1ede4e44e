"""The way to Postgres: migrations, one statement per file, one typed function per statement."""
