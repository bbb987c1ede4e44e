SELECT
    job.state,
    job.content_deleted_at IS NOT NULL AS deleted,
    EXISTS (
        SELECT FROM factory.jobs AS other
        WHERE other.after @> ARRAY[job.id] AND other.after <> '{}'
            AND other.state IN ('waiting', 'queued', 'in_progress', 'cancelling')
    ) AS needed
FROM factory.jobs AS job
WHERE job.id = $1::uuid AND job.project_id = $2::uuid
FOR UPDATE OF job
