SELECT
    project_id, kind, count(*) FILTER (WHERE ready) AS ready, count(*) FILTER (WHERE NOT ready) AS running,
    extract(epoch FROM coalesce($1::timestamptz, now()) - min(since) FILTER (WHERE ready))::double precision AS oldest_wait_s
FROM (
    SELECT project_id, kind, true AS ready, greatest(queued_at, run_at) AS since FROM factory.jobs
    WHERE state = 'queued' AND waits_for IS NULL AND run_at <= coalesce($1::timestamptz, now())
    UNION ALL
    SELECT project_id, kind, false, NULL FROM factory.jobs WHERE state IN ('in_progress', 'cancelling')
) AS open
GROUP BY project_id, kind
