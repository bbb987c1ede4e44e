SELECT
    count(*) FILTER (WHERE state = 'queued' AND id < $3::uuid AND run_at <= coalesce($4::timestamptz, now())) AS ahead,
    count(*) FILTER (WHERE state <> 'queued') AS running
FROM (
    SELECT id, state, run_at FROM factory.jobs WHERE state = 'queued' AND project_id = $1::uuid AND kind = $2::text
    UNION ALL
    SELECT id, state, run_at FROM factory.jobs
    WHERE state IN ('in_progress', 'cancelling') AND project_id = $1::uuid AND kind = $2::text
) AS open
