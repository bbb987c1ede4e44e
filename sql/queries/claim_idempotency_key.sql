INSERT INTO factory.idempotency_keys AS kept (project_id, key_hash, request_hash, job_id, batch_id, expires_at)
VALUES ($1::uuid, $2::bytea, $3::bytea, $4::uuid, $5::uuid, $6::timestamptz)
ON CONFLICT (project_id, key_hash) DO UPDATE SET
    request_hash = CASE WHEN kept.expires_at < $7::timestamptz THEN EXCLUDED.request_hash ELSE kept.request_hash END,
    job_id = CASE WHEN kept.expires_at < $7::timestamptz THEN EXCLUDED.job_id ELSE kept.job_id END,
    batch_id = CASE WHEN kept.expires_at < $7::timestamptz THEN EXCLUDED.batch_id ELSE kept.batch_id END,
    expires_at = CASE WHEN kept.expires_at < $7::timestamptz THEN EXCLUDED.expires_at ELSE kept.expires_at END
RETURNING request_hash, job_id, batch_id
