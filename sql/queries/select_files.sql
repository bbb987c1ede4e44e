SELECT file.id, file.purpose, file.filename, file.bytes, file.storage_key, file.batch_id, file.part, file.created_at,
    file.expires_at, asked.endpoint
FROM factory.shown_files AS file LEFT JOIN factory.openai_batches AS asked ON asked.batch_id = file.batch_id
WHERE file.project_id = $1::uuid
    AND ($2::uuid IS NULL OR CASE WHEN $4::boolean THEN file.id > $2::uuid ELSE file.id < $2::uuid END)
    AND ($3::text IS NULL OR file.purpose = $3::text)
    AND (file.expires_at IS NULL OR file.expires_at > coalesce($5::timestamptz, now()))
ORDER BY CASE WHEN $4::boolean THEN file.id END, file.id DESC
LIMIT $6::integer
