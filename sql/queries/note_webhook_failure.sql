UPDATE factory.webhook_endpoints SET failing_since = coalesce(failing_since, $2::timestamptz)
WHERE id = $1::uuid
RETURNING failing_since
