SELECT
    job.id, job.batch_id, job.key, job.state, job.kind, job.request ->> 'model' AS model, job.error ->> 'kind' AS error,
    job.provider, job.model AS answered_by, job.cost, job.metadata, job.created_at, job.started_at, job.finished_at,
    greatest(job.created_at, job.started_at, job.finished_at) AS changed_at
FROM factory.jobs AS job
WHERE job.project_id = $1::uuid
    AND (greatest(job.created_at, job.started_at, job.finished_at), job.id) > ($2::timestamptz, $3::uuid)
ORDER BY greatest(job.created_at, job.started_at, job.finished_at), job.id
LIMIT $4::integer
