SELECT kind, count(*) AS jobs
FROM factory.jobs
WHERE id >= $1::uuid AND waits_for IS NULL AND state <> 'waiting' AND NOT (state = 'completed' AND started_at IS NULL)
GROUP BY kind
