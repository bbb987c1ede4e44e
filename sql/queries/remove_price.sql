DELETE FROM factory.model_prices WHERE provider = $1::text AND model_id = $2::text AND valid_from = $3::timestamptz RETURNING provider
