SELECT
    batch.state,
    batch.finished_at IS NOT NULL AS over,
    batch.content_deleted_at IS NOT NULL AS deleted,
    EXISTS (
        SELECT FROM factory.jobs AS other
        WHERE other.project_id = batch.project_id AND other.after <> '{}'
            AND other.state IN ('waiting', 'queued', 'in_progress', 'cancelling')
            AND EXISTS (
                SELECT FROM factory.jobs AS job WHERE job.id = ANY (other.after) AND job.batch_id = batch.id
            )
    ) AS needed,
    coalesce((SELECT max(job.line) FROM factory.jobs AS job WHERE job.batch_id = batch.id), 0) AS last_line
FROM factory.batches AS batch
WHERE batch.id = $1::uuid AND batch.project_id = $2::uuid
FOR UPDATE OF batch
