SELECT
    project_id, kind, count(*) AS jobs,
    extract(epoch FROM coalesce($2::timestamptz, now()) - min(greatest(queued_at, run_at)))::double precision AS oldest_s
FROM factory.jobs
WHERE state = 'queued' AND waits_for IS NULL AND priority <> 'batch'
    AND queued_at < coalesce($2::timestamptz, now()) - $1::interval
    AND run_at < coalesce($2::timestamptz, now()) - $1::interval
GROUP BY project_id, kind
