SELECT id, fence, kind, run_at
FROM factory.jobs
WHERE (state = 'queued' AND run_at <= coalesce($1::timestamptz, now()) - $2::interval)
    OR (state IN ('in_progress', 'cancelling') AND started_at <= coalesce($1::timestamptz, now()) - $3::interval)
ORDER BY run_at
LIMIT $4::integer
