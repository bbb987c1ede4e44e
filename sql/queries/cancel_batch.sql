WITH marked AS (
    UPDATE factory.batches SET cancelled_at = coalesce(cancelled_at, $3::timestamptz, now())
    WHERE id = $1::uuid AND project_id = $2::uuid RETURNING id
), open AS (
    SELECT job.id FROM factory.jobs AS job JOIN marked ON job.batch_id = marked.id
    WHERE job.state IN ('waiting', 'queued', 'in_progress') ORDER BY job.id FOR UPDATE OF job
)
UPDATE factory.jobs AS job SET
    state = CASE WHEN job.state IN ('waiting', 'queued') THEN 'cancelled' ELSE 'cancelling' END,
    seq = job.seq + 1,
    cost = spent.cost,
    uncertain_cost = spent.uncertain_cost,
    finished_at = CASE WHEN job.state IN ('waiting', 'queued') THEN coalesce($3::timestamptz, now()) END
FROM open, LATERAL factory.spent_on(open.id) AS spent
WHERE job.id = open.id
RETURNING job.id, job.state
