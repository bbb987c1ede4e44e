SELECT file.id, file.purpose, file.filename, file.bytes, file.storage_key, file.batch_id, file.part, file.created_at,
    file.expires_at, asked.endpoint
FROM factory.shown_files AS file LEFT JOIN factory.openai_batches AS asked ON asked.batch_id = file.batch_id
WHERE file.project_id = $1::uuid
    AND ($2::uuid IS NULL OR file.id < $2::uuid)
    AND ($3::text IS NULL OR file.purpose = $3::text)
    AND (file.expires_at IS NULL OR file.expires_at > coalesce($4::timestamptz, now()))
ORDER BY file.id DESC
LIMIT $5::integer
