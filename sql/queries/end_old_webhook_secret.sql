UPDATE factory.webhook_endpoints SET old_secret_number = NULL, old_secret_until = NULL
WHERE id = $1::uuid AND project_id = $2::uuid
RETURNING
    id, project_id, url, events, include_content, active, secret_number, old_secret_number, old_secret_until,
    failing_since, disabled_reason, created_at
