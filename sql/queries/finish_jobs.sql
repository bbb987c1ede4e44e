WITH ended AS (
    SELECT given.*
    FROM jsonb_to_recordset($1::jsonb) AS given (
        id uuid, fence bigint, state text, result jsonb, error jsonb, provider text, model text, variant text,
        usage jsonb, cached boolean
    ) JOIN factory.jobs AS job ON job.id = given.id
    WHERE job.id = ANY ($2::uuid[])
    ORDER BY job.id
    FOR UPDATE OF job
)
UPDATE factory.jobs AS job SET
    state = ended.state,
    seq = job.seq + 1,
    result = ended.result,
    error = ended.error,
    provider = ended.provider,
    model = ended.model,
    variant = CASE WHEN ended.state = 'completed' THEN ended.variant ELSE coalesce((
        SELECT call.variant FROM factory.calls AS call
        WHERE call.job_id = ended.id AND call.variant IS NOT NULL ORDER BY call.started_at, call.id LIMIT 1
    ), ended.variant) END,
    usage = ended.usage,
    cached = ended.cached,
    cost = spent.cost,
    uncertain_cost = spent.uncertain_cost,
    finished_at = coalesce($3::timestamptz, now())
FROM ended, LATERAL factory.spent_on(ended.id) AS spent
WHERE job.id = ended.id AND job.id = ANY ($2::uuid[]) AND job.fence = ended.fence
    AND job.state IN ('in_progress', 'cancelling')
RETURNING job.id, job.batch_id, job.cost
