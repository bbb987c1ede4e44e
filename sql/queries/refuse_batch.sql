UPDATE factory.batches SET
    state = 'failed', refused = $2::integer, error = $3::jsonb, seq = seq + 1, finished_at = now()
WHERE id = $1::uuid AND state = 'validating'
RETURNING id
