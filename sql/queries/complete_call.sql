WITH completed AS (
    UPDATE factory.calls SET
        outcome = $2::text, finished_at = $3::timestamptz, duration_ms = $4::integer, status = $5::integer,
        usage = $6::jsonb, cost = $7::numeric, provider_request_id = $8::text, error_message = $9::text
    WHERE id = $1::uuid AND (outcome IS NULL OR outcome = 'unknown')
    RETURNING id, job_id, fence, cost
), late AS (
    UPDATE factory.jobs AS job SET
        cost = job.cost + completed.cost,
        uncertain_cost = (
            SELECT sum(other.max_cost) FROM factory.calls AS other
            WHERE other.job_id = job.id AND other.usage IS NULL AND other.cost IS NULL AND other.id <> completed.id
        )
    FROM completed
    WHERE job.id = completed.job_id AND job.fence <> completed.fence
        AND job.state IN ('completed', 'failed', 'cancelled', 'expired')
)
SELECT id FROM completed
