INSERT INTO factory.api_keys (key_hash, prefix, name, project_id, scopes, expires_at)
VALUES ($1::bytea, $2::text, $3::text, $4::uuid, $5::text[], $6::timestamptz)
RETURNING id
