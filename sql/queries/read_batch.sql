SELECT
    batch.id, batch.name, batch.total, batch.max_cost_usd, batch.metadata, batch.created_at, batch.cancelled_at,
    counts.*
FROM factory.batches AS batch
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'queued') AS queued,
        count(*) FILTER (WHERE state IN ('in_progress', 'cancelling')) AS in_progress,
        count(*) FILTER (WHERE state = 'completed') AS completed,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE state = 'expired') AS expired,
        sum(cost) AS cost,
        bool_or(state IN ('completed', 'failed', 'cancelled', 'expired') AND cost IS NULL) AS cost_unknown,
        sum(seq) AS seq,
        max(finished_at) AS finished_at
    FROM factory.jobs WHERE batch_id = batch.id
) AS counts
WHERE batch.id = $1::uuid AND batch.project_id = $2::uuid
