SELECT file.id, file.purpose, file.filename, file.bytes, file.storage_key, file.batch_id, file.part, file.created_at,
    file.expires_at, asked.endpoint,
    greatest(
        (SELECT max(job.line) FROM factory.jobs AS job WHERE job.batch_id = file.batch_id),
        (SELECT max(wrong.line) FROM factory.batch_errors AS wrong WHERE wrong.batch_id = file.batch_id)
    ) AS last_line
FROM factory.shown_files AS file LEFT JOIN factory.openai_batches AS asked ON asked.batch_id = file.batch_id
WHERE file.id = $1::uuid AND file.project_id = $2::uuid
    AND (file.expires_at IS NULL OR file.expires_at > coalesce($3::timestamptz, now()))
