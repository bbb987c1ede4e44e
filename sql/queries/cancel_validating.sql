UPDATE factory.batches SET state = 'cancelled', cancelled_at = now(), finished_at = now(), seq = seq + 1
WHERE id = $1::uuid AND project_id = $2::uuid AND state = 'validating'
RETURNING id
