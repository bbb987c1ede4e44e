UPDATE factory.api_keys SET expires_at = least(expires_at, $2::timestamptz) WHERE id = $1::uuid RETURNING id
