INSERT INTO factory.batches (id, project_id, name, total, max_cost_usd, metadata, on_error, retry_of, state)
VALUES ($1::uuid, $2::uuid, $3::text, $4::integer, $5::numeric, $6::jsonb, $7::text, $8::uuid, 'validating')
