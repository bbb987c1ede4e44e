UPDATE factory.webhook_endpoints SET active = false, disabled_reason = $2::text
WHERE id = $1::uuid AND active
RETURNING id
