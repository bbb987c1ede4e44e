UPDATE factory.api_keys SET revoked_at = now() WHERE prefix = $1::text AND revoked_at IS NULL RETURNING id
