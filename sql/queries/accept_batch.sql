UPDATE factory.batches AS batch SET
    state = 'in_progress', refused = $2::integer, seq = batch.seq + 1, total = made.total, waiting = made.waiting,
    queued = made.queued, completed = made.completed, cost_usd = made.cost_usd
FROM (
    SELECT
        count(*) AS total,
        count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'queued') AS queued,
        count(*) FILTER (WHERE state = 'completed') AS completed,
        coalesce(sum(cost) FILTER (WHERE state = 'completed'), 0) AS cost_usd
    FROM factory.jobs WHERE batch_id = $1::uuid
) AS made
WHERE batch.id = $1::uuid AND batch.state = 'validating'
RETURNING batch.id, set_config('factory.batch_changes', '', true) AS counted
