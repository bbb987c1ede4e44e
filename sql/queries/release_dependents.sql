WITH freed AS (
    SELECT job.id, count(*)::integer AS count
    FROM unnest($1::uuid[]) AS done (id)
    JOIN factory.jobs AS job ON job.state = 'waiting' AND job.after @> ARRAY[done.id]
    GROUP BY job.id
), locked AS (
    SELECT job.id, freed.count FROM factory.jobs AS job JOIN freed USING (id)
    WHERE job.state = 'waiting' AND job.id = ANY (ARRAY(SELECT id FROM freed)) ORDER BY job.id FOR UPDATE OF job
)
UPDATE factory.jobs AS job SET
    blockers = job.blockers - locked.count,
    state = CASE WHEN job.blockers = locked.count THEN 'queued' ELSE job.state END,
    seq = job.seq + (job.blockers = locked.count)::integer,
    queued_at = CASE WHEN job.blockers = locked.count THEN coalesce($2::timestamptz, now()) END
FROM locked
WHERE job.id = locked.id AND job.id = ANY (ARRAY(SELECT id FROM locked))
RETURNING job.id, job.fence, job.project_id, job.kind, job.priority, job.state, job.created_at,
    extract(epoch FROM job.run_at - now())::double precision AS wait_s
