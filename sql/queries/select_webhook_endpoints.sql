SELECT
    id, project_id, url, events, include_content, active, secret_number, old_secret_number, old_secret_until,
    failing_since, disabled_reason, created_at
FROM factory.webhook_endpoints
WHERE project_id = $1::uuid AND ($2::uuid IS NULL OR id = $2::uuid)
ORDER BY created_at, id
