WITH blocked AS (
    SELECT id FROM factory.jobs
    WHERE state = 'waiting' AND after @> ARRAY[$1::uuid]
    ORDER BY id FOR UPDATE
)
UPDATE factory.jobs AS job SET
    blockers = job.blockers - 1,
    state = CASE WHEN job.blockers = 1 THEN 'queued' ELSE job.state END,
    seq = job.seq + (job.blockers = 1)::integer,
    queued_at = CASE WHEN job.blockers = 1 THEN coalesce($2::timestamptz, now()) END
FROM blocked
WHERE job.id = blocked.id
RETURNING job.id, job.fence, job.kind, job.state, job.run_at
