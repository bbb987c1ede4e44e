SELECT
    id, line, key, after, state, kind, request ->> 'model' AS asked, provider, model, cost, cached,
    error ->> 'kind' AS error, created_at, started_at, finished_at
FROM factory.jobs
WHERE batch_id = $1::uuid
ORDER BY line
LIMIT $2::integer
