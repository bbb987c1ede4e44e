DELETE FROM factory.provider_endpoints WHERE id = $1::uuid RETURNING id
