SELECT project_id, key_hash, request_hash, job_id FROM factory.idempotency_keys
WHERE project_id = $1::uuid AND key_hash = $2::bytea AND expires_at >= $3::timestamptz
