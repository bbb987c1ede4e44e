SELECT id, fence, project_id, kind, priority, created_at,
    extract(epoch FROM run_at - now())::double precision AS wait_s, queued_at
FROM factory.jobs
WHERE state = 'queued' AND waits_for IS NULL AND (queued_at, id) > ($1::timestamptz, $2::uuid) AND queued_at <= now() - $3::interval
ORDER BY queued_at, id
LIMIT $4::integer
