SELECT line, key, reserved_usd AS usd
FROM factory.jobs
WHERE batch_id = $1::uuid AND reserved_usd IS NOT NULL AND state IN ('queued', 'waiting')
ORDER BY line
