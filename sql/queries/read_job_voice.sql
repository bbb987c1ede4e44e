SELECT provider, model FROM factory.job_parts WHERE job_id = $1::uuid AND NOT found ORDER BY created_at, n LIMIT 1
