SELECT
    id, fence, project_id, kind, priority, state, created_at,
    extract(epoch FROM run_at - now())::double precision AS wait_s
FROM factory.jobs
WHERE id = ANY ($1::uuid[]) AND state = 'queued' AND waits_for IS NULL
