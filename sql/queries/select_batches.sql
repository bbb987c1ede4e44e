SELECT
    id, name, state, total, refused, error, on_error, retry_of, max_cost_usd, metadata, created_at, cancelled_at, finished_at, content_deleted_at,
    seq, waiting, queued, in_progress, completed, failed, cancelled, expired, cost_usd, unpriced
FROM factory.batches
WHERE project_id = $1::uuid
    AND ($2::uuid IS NULL OR id < $2::uuid)
    AND ($3::text IS NULL OR state = $3::text)
    AND ($4::timestamptz IS NULL OR created_at >= $4::timestamptz)
    AND ($5::timestamptz IS NULL OR created_at < $5::timestamptz)
ORDER BY id DESC
LIMIT $6::integer
