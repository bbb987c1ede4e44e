UPDATE factory.jobs AS job SET (blockers, state, seq, queued_at) = (
    SELECT
        job.blockers - count(*),
        CASE WHEN job.blockers = count(*) THEN 'queued' ELSE job.state END,
        job.seq + (job.blockers = count(*))::integer,
        CASE WHEN job.blockers = count(*) THEN coalesce($2::timestamptz, now()) END
    FROM unnest(job.after) AS ancestor WHERE ancestor = ANY ($1::uuid[])
)
WHERE job.state = 'waiting' AND job.after && $1::uuid[]
RETURNING job.id, job.fence, job.project_id, job.kind, job.priority, job.state, job.created_at,
    extract(epoch FROM job.run_at - now())::double precision AS wait_s
