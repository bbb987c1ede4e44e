WITH ended AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS given (
        id uuid, outcome text, finished_at timestamptz, duration_ms integer, status integer, usage jsonb, cost numeric,
        provider_request_id text, error_message text, schema_outcome text,
        preferred_cost numeric
    )
), completed AS (
    UPDATE factory.calls AS call SET
        outcome = ended.outcome, finished_at = ended.finished_at, duration_ms = ended.duration_ms,
        status = ended.status, usage = ended.usage, cost = ended.cost,
        provider_request_id = ended.provider_request_id, error_message = ended.error_message,
        schema_outcome = ended.schema_outcome, preferred_cost = ended.preferred_cost
    FROM ended
    WHERE call.id = ended.id AND call.id = ANY ($2::uuid[]) AND (call.outcome IS NULL OR call.outcome = 'unknown')
    RETURNING call.id, call.job_id, call.fence, call.cost, call.usage, call.max_cost
), late AS (
    SELECT
        job.id,
        array_agg(completed.id) AS calls,
        CASE WHEN bool_or(completed.usage IS NOT NULL AND completed.cost IS NULL) THEN NULL
            ELSE coalesce(sum(completed.cost), 0) END AS cost,
        sum(completed.max_cost) FILTER (WHERE completed.usage IS NULL AND completed.cost IS NULL) AS uncertain
    FROM completed JOIN factory.jobs AS job ON job.id = completed.job_id
    WHERE job.fence <> completed.fence AND job.state IN ('completed', 'failed', 'cancelled', 'expired')
    GROUP BY job.id
), added AS (
    UPDATE factory.jobs AS job SET
        cost = job.cost + late.cost,
        uncertain_cost = (
            SELECT sum(one) FROM (
                SELECT other.max_cost AS one FROM factory.calls AS other
                WHERE other.job_id = job.id AND other.usage IS NULL AND other.cost IS NULL
                    AND other.id <> ALL (late.calls)
                UNION ALL SELECT late.uncertain
            ) AS uncertain
        )
    FROM late
    WHERE job.id = late.id
)
SELECT id FROM completed
