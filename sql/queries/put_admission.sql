INSERT INTO factory.batch_admissions (batch_id, requests, tokens)
SELECT batch.id, $2::bigint, $3::bigint FROM factory.batches AS batch
WHERE batch.id = $1::uuid AND batch.state = 'validating'
FOR SHARE
ON CONFLICT (batch_id) DO UPDATE SET requests = EXCLUDED.requests, tokens = EXCLUDED.tokens, next_at = now()
