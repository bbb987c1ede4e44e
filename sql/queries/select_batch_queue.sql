SELECT id, fence, project_id, kind, priority, created_at,
    extract(epoch FROM run_at - now())::double precision AS wait_s, queued_at
FROM factory.jobs
WHERE batch_id = $1::uuid AND line > $2::integer AND line <= $3::integer AND state = 'queued' AND waits_for IS NULL
