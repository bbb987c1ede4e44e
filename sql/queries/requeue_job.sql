UPDATE factory.jobs SET state = 'queued', seq = seq + 1, run_at = $3::timestamptz, attempts = attempts - $4::integer
WHERE id = $1::uuid AND fence = $2::bigint AND state = 'in_progress'
RETURNING fence
