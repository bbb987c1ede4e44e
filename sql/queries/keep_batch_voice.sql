INSERT INTO factory.batch_voices AS kept (batch_id, name, provider, model)
VALUES ($1::uuid, $2::text, $3::text, $4::text)
ON CONFLICT (batch_id, name) DO UPDATE SET provider = kept.provider
RETURNING provider, model
