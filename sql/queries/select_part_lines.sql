SELECT id, line, key, state, kind, request, result, error, cost, metadata, created_at, finished_at, audio_expired_at, content_deleted_at
FROM factory.jobs
WHERE batch_id = $1::uuid AND line > $2::integer AND line <= $3::integer
    AND state IN ('completed', 'failed', 'cancelled', 'expired') AND (state = 'completed') = $4::boolean
ORDER BY line
