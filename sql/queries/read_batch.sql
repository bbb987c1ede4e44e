SELECT
    id, name, state, total, refused, error, on_error, retry_of, max_cost_usd, metadata, created_at, cancelled_at, finished_at, content_deleted_at,
    seq, waiting, queued, in_progress, completed, failed, cancelled, expired, cost_usd, unpriced
FROM factory.batches
WHERE id = $1::uuid AND project_id = $2::uuid
