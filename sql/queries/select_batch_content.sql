SELECT id FROM factory.jobs
WHERE batch_id = $1::uuid AND line > $2::integer AND line <= $3::integer AND content_deleted_at IS NULL
