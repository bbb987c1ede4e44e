WITH minutes AS (
    SELECT date_trunc('minute', created_at) AS minute, kind, count(*) AS jobs
    FROM factory.jobs
    WHERE id >= $1::uuid AND waits_for IS NULL AND state <> 'waiting' AND NOT (state = 'completed' AND started_at IS NULL)
    GROUP BY 1, 2
)
INSERT INTO factory.arrivals (quarter, kind, jobs, busiest)
SELECT date_bin('15 minutes', minute, 'epoch'), kind, sum(jobs), max(jobs)
FROM minutes
GROUP BY 1, 2
ORDER BY 1, 2
ON CONFLICT (quarter, kind) DO UPDATE SET
    jobs = greatest(arrivals.jobs, EXCLUDED.jobs), busiest = greatest(arrivals.busiest, EXCLUDED.busiest)
