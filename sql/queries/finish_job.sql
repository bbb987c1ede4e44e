UPDATE factory.jobs AS job SET
    state = $3::text,
    seq = job.seq + 1,
    result = $4::jsonb,
    error = $5::jsonb,
    provider = $6::text,
    model = $7::text,
    variant = $8::text,
    usage = $9::jsonb,
    cost = spent.cost,
    uncertain_cost = spent.uncertain_cost,
    finished_at = coalesce($10::timestamptz, now())
FROM factory.spent_on($1::uuid) AS spent
WHERE job.id = $1::uuid AND job.fence = $2::bigint AND job.state IN ('in_progress', 'cancelling')
RETURNING job.id, job.batch_id, job.cost
