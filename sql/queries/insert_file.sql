INSERT INTO factory.files (id, project_id, purpose, filename, bytes, storage_key, expires_at)
VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::bigint, $6::text, now() + make_interval(secs => $7::integer))
