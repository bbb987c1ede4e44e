DELETE FROM factory.cache_entries WHERE job_id = ANY ($1::uuid[])
