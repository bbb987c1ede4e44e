WITH blocked AS (
    SELECT id, (SELECT count(*) FROM unnest(after) AS ancestor WHERE ancestor = ANY ($1::uuid[])) AS freed
    FROM factory.jobs
    WHERE state = 'waiting' AND after && $1::uuid[]
    ORDER BY id FOR UPDATE
)
UPDATE factory.jobs AS job SET
    blockers = job.blockers - blocked.freed,
    state = CASE WHEN job.blockers = blocked.freed THEN 'queued' ELSE job.state END,
    seq = job.seq + (job.blockers = blocked.freed)::integer,
    queued_at = CASE WHEN job.blockers = blocked.freed THEN coalesce($2::timestamptz, now()) END
FROM blocked
WHERE job.id = blocked.id
RETURNING job.id, job.fence, job.project_id, job.kind, job.priority, job.state, job.created_at,
    extract(epoch FROM job.run_at - now())::double precision AS wait_s
