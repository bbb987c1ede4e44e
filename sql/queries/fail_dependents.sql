WITH RECURSIVE downstream AS (
    SELECT id FROM factory.jobs WHERE state = 'waiting' AND after @> ARRAY[$1::uuid]
    UNION
    SELECT job.id FROM factory.jobs AS job JOIN downstream ON job.state = 'waiting' AND job.after @> ARRAY[downstream.id]
), blocked AS (
    SELECT job.id FROM factory.jobs AS job JOIN downstream USING (id) WHERE job.state = 'waiting' ORDER BY job.id FOR UPDATE OF job
)
UPDATE factory.jobs AS job SET
    state = 'failed', seq = job.seq + 1, error = $2::jsonb, cost = 0, finished_at = coalesce($3::timestamptz, now())
FROM blocked
WHERE job.id = blocked.id
RETURNING job.id
