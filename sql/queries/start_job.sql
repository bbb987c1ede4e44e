UPDATE factory.jobs SET
    fence = $2::bigint,
    seq = seq + 1,
    attempts = attempts + (state = 'queued')::integer,
    lost_leases = lost_leases + (state <> 'queued')::integer,
    state = CASE WHEN state = 'cancelling' THEN 'cancelling' ELSE 'in_progress' END,
    started_at = coalesce(started_at, $3::timestamptz, now())
WHERE id = $1::uuid AND fence < $2::bigint AND state IN ('queued', 'in_progress', 'cancelling')
RETURNING
    id, project_id, batch_id, key, after, state, kind, priority, request, deadline, attempts, lost_leases, fence,
    created_at
