SELECT
    job.id, project.name AS project, job.kind, job.state, job.request ->> 'model' AS asked, job.key, job.started_at,
    job.attempts, call.provider, call.model
FROM factory.jobs AS job
JOIN factory.projects AS project ON project.id = job.project_id
LEFT JOIN LATERAL (
    SELECT provider, model FROM factory.calls
    WHERE job_id = job.id AND finished_at IS NULL AND outcome IS NULL
    ORDER BY started_at DESC LIMIT 1
) AS call ON true
WHERE job.state IN ('in_progress', 'cancelling')
ORDER BY job.id
LIMIT $1::integer
