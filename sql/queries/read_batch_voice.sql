SELECT provider, model FROM factory.batch_voices WHERE batch_id = $1::uuid AND name = $2::text
