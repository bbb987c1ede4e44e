"""The way to Redis: hands jobs over to workers and wakes those who wait."""
