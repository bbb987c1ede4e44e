INSERT INTO factory.webhook_secrets AS kept (
    project_id, secret_number, secret_digest, old_secret_number, old_secret_until
)
VALUES ($1::uuid, $3::integer, $4::bytea, $5::integer, $6::timestamptz)
ON CONFLICT (project_id) DO UPDATE SET
    secret_number = EXCLUDED.secret_number, secret_digest = EXCLUDED.secret_digest,
    old_secret_number = EXCLUDED.old_secret_number, old_secret_until = EXCLUDED.old_secret_until
WHERE kept.secret_number = $2::integer
RETURNING secret_number, secret_digest, old_secret_number, old_secret_until
