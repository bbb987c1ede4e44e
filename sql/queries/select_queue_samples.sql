SELECT
    pool, date_bin($2::interval, at, 'epoch'::timestamptz) AS at,
    max(ready) AS ready, max(running) AS running, max(oldest_s) AS oldest_s
FROM factory.queue_samples
WHERE at >= $1::timestamptz
GROUP BY 1, 2
ORDER BY 1, 2
