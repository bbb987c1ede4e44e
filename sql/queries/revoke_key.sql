UPDATE factory.api_keys SET revoked_at = now() WHERE id = $1::uuid AND revoked_at IS NULL RETURNING id
