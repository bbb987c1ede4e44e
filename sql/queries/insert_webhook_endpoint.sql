INSERT INTO factory.webhook_endpoints (id, project_id, url, events, include_content, active, secret_digest)
SELECT $1::uuid, $2::uuid, $3::text, $4::text[], $5::boolean, $6::boolean, $7::bytea
WHERE (SELECT count(*) FROM factory.webhook_endpoints WHERE project_id = $2::uuid) < $8::integer
RETURNING
    id, project_id, url, events, include_content, active, secret_number, old_secret_number, old_secret_until,
    failing_since, disabled_reason, created_at
