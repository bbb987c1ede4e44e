WITH open AS (
    SELECT job.id FROM factory.jobs AS job
    WHERE job.batch_id = $1::uuid AND job.project_id = $2::uuid AND job.state IN ('waiting', 'queued', 'in_progress')
    ORDER BY job.id FOR UPDATE
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
