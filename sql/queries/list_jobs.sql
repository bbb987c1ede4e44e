SELECT
    job.id, project.name AS project, job.batch_id, job.key, job.state, job.kind, job.priority,
    job.request ->> 'model' AS asked, job.provider, job.model, job.attempts, job.cost, job.cached,
    job.error ->> 'kind' AS error, job.created_at, job.started_at, job.finished_at
FROM (
    SELECT *
    FROM factory.jobs
    WHERE ($1::uuid IS NULL OR id < $1::uuid)
        AND ($2::uuid IS NULL OR project_id = $2::uuid)
        AND ($3::text[] IS NULL OR state = ANY($3::text[]))
        -- said once more in the words of the indexes of jobs that are not over
        AND (
            coalesce(NOT $3::text[] <@ ARRAY['waiting', 'queued', 'in_progress', 'cancelling'], true)
            OR state = 'waiting' OR state = 'queued' OR state IN ('in_progress', 'cancelling')
        )
        AND ($5::uuid IS NULL OR batch_id = $5::uuid)
    ORDER BY id DESC
    LIMIT $8::integer
) AS job
JOIN factory.projects AS project ON project.id = job.project_id
WHERE ($4::text IS NULL OR job.kind = $4::text) AND ($6::text IS NULL OR job.request ->> 'model' = $6::text)
ORDER BY job.id DESC
LIMIT $7::integer
