UPDATE factory.webhook_endpoints SET
    old_secret_number = secret_number,
    old_secret_until = $4::timestamptz,
    secret_number = $3::integer + 1,
    secret_digest = $5::bytea
WHERE id = $1::uuid AND project_id = $2::uuid AND secret_number = $3::integer
RETURNING
    id, project_id, url, events, include_content, active, secret_number, old_secret_number, old_secret_until,
    failing_since, disabled_reason, created_at
