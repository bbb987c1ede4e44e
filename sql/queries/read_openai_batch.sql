SELECT
    batch.id, batch.state, batch.total, batch.refused, batch.error, batch.metadata, batch.created_at, batch.cancelled_at, batch.finished_at,
    batch.completed, batch.failed, batch.cancelled, batch.expired, asked.endpoint, asked.input_file_id, asked.expires_at,
    coalesce(
        (SELECT job.created_at FROM factory.jobs AS job WHERE job.batch_id = batch.id ORDER BY job.line LIMIT 1),
        CASE WHEN batch.state = 'completed' THEN batch.finished_at END
    ) AS accepted_at,
    (SELECT file.id FROM factory.shown_files AS file WHERE file.batch_id = batch.id AND file.part = 'output') AS output_file_id,
    (SELECT file.id FROM factory.shown_files AS file WHERE file.batch_id = batch.id AND file.part = 'error') AS error_file_id
FROM factory.batches AS batch JOIN factory.openai_batches AS asked ON asked.batch_id = batch.id
WHERE batch.id = $1::uuid AND batch.project_id = $2::uuid
