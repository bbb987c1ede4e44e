SELECT queued_at
FROM factory.jobs
WHERE state = 'queued' AND waits_for IS NULL AND run_at <= coalesce($2::timestamptz, now())
    AND (kind = 'speech') = $1::boolean
ORDER BY queued_at, id
LIMIT 1
