INSERT INTO factory.batch_admissions (batch_id, requests, tokens) VALUES ($1::uuid, $2::bigint, $3::bigint)
ON CONFLICT (batch_id) DO UPDATE SET requests = EXCLUDED.requests, tokens = EXCLUDED.tokens, next_at = now()
