SELECT id, line, key, state, kind, result, error, cost, audio_expired_at
FROM factory.jobs
WHERE batch_id = $1::uuid AND line > $2::integer AND line <= $3::integer
    AND state IN ('completed', 'failed', 'cancelled', 'expired') AND ($4::text IS NULL OR state = $4::text)
ORDER BY line
