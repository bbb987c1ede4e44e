INSERT INTO factory.idempotency_keys AS kept (project_id, key_hash, request_hash, job_id, expires_at)
SELECT new.project_id, decode(new.key_hash, 'hex'), decode(new.request_hash, 'hex'), new.job_id, $2::timestamptz
FROM jsonb_to_recordset($1::jsonb) AS new (project_id uuid, key_hash text, request_hash text, job_id uuid)
ORDER BY new.project_id, new.key_hash
ON CONFLICT (project_id, key_hash) DO UPDATE SET
    request_hash = CASE WHEN kept.expires_at < $3::timestamptz THEN EXCLUDED.request_hash ELSE kept.request_hash END,
    job_id = CASE WHEN kept.expires_at < $3::timestamptz THEN EXCLUDED.job_id ELSE kept.job_id END,
    batch_id = CASE WHEN kept.expires_at < $3::timestamptz THEN EXCLUDED.batch_id ELSE kept.batch_id END,
    expires_at = CASE WHEN kept.expires_at < $3::timestamptz THEN EXCLUDED.expires_at ELSE kept.expires_at END
RETURNING project_id, key_hash, request_hash, job_id
