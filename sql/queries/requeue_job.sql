UPDATE factory.jobs SET
    state = 'queued', seq = seq + 1, run_at = now() + $3::interval, attempts = attempts - $4::integer, queued_at = now()
WHERE id = $1::uuid AND fence = $2::bigint AND state = 'in_progress'
RETURNING fence
