SELECT
    id, job_id, attempt, part, endpoint_id, provider, model, emulated, started_at, finished_at, duration_ms, outcome,
    status, usage, cost, error_message, asked, schema_outcome
FROM factory.calls
WHERE job_id = ANY($1::uuid[])
ORDER BY started_at, id
