UPDATE factory.webhook_endpoints SET
    url = coalesce($3::text, url),
    events = coalesce($4::text[], events),
    include_content = coalesce($5::boolean, include_content),
    active = coalesce($6::boolean, active),
    disabled_reason = CASE WHEN $6::boolean THEN NULL ELSE disabled_reason END,
    failing_since = CASE WHEN $6::boolean OR $3::text <> url THEN NULL ELSE failing_since END
WHERE id = $1::uuid AND project_id = $2::uuid
RETURNING
    id, project_id, url, events, include_content, active, secret_number, old_secret_number, old_secret_until,
    failing_since, disabled_reason, created_at
