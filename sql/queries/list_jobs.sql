SELECT
    job.id, project.name AS project, job.batch_id, job.key, job.state, job.kind, job.priority,
    job.request ->> 'model' AS asked, job.provider, job.model, job.attempts, job.cost, job.cached,
    job.error ->> 'kind' AS error, job.created_at, job.started_at, job.finished_at
FROM factory.jobs AS job
JOIN factory.projects AS project ON project.id = job.project_id
WHERE ($1::uuid IS NULL OR job.id < $1::uuid)
    AND ($2::uuid IS NULL OR job.project_id = $2::uuid)
    AND ($3::text[] IS NULL OR job.state = ANY($3::text[]))
    AND ($4::text IS NULL OR job.kind = $4::text)
    AND ($5::uuid IS NULL OR job.batch_id = $5::uuid)
    AND ($6::text IS NULL OR job.request ->> 'model' = $6::text)
ORDER BY job.id DESC
LIMIT $7::integer
