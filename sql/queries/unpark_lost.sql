WITH lost AS (
    SELECT DISTINCT ON (job.project_id, job.fingerprint) job.id
    FROM factory.jobs AS job
    LEFT JOIN factory.flights AS flight ON flight.project_id = job.project_id AND flight.fingerprint = job.fingerprint
    LEFT JOIN factory.jobs AS leader ON leader.id = flight.job_id
    WHERE job.waits_for IS NOT NULL AND job.state = 'queued'
        AND (leader.id IS NULL OR leader.state NOT IN ('queued', 'in_progress', 'cancelling'))
    ORDER BY job.project_id, job.fingerprint,
        array_position(ARRAY['interactive', 'standard', 'batch'], job.priority), job.id
), late AS (
    SELECT job.id FROM factory.jobs AS job
    WHERE job.waits_for IS NOT NULL AND job.state = 'queued' AND job.deadline <= now()
)
UPDATE factory.jobs AS job SET waits_for = NULL, seq = job.seq + 1, queued_at = now()
WHERE job.id IN (SELECT id FROM lost UNION SELECT id FROM late) AND job.state = 'queued' AND job.waits_for IS NOT NULL
RETURNING job.id, job.fence, job.project_id, job.kind, job.priority, job.state, job.created_at,
    extract(epoch FROM job.run_at - now())::double precision AS wait_s
