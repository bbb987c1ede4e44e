SELECT id, storage_key
FROM factory.shown_files
WHERE expires_at <= coalesce($1::timestamptz, now())
LIMIT $2::integer
