SELECT id, fence, project_id, kind, priority, created_at,
    extract(epoch FROM run_at - now())::double precision AS wait_s, coalesce(queued_at, created_at) AS queued_at
FROM factory.jobs
WHERE state IN ('in_progress', 'cancelling') AND id > $1::uuid
ORDER BY id
LIMIT $2::integer
