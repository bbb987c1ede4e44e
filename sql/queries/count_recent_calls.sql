SELECT
    provider, date_trunc('minute', started_at) AS at,
    count(*) FILTER (WHERE outcome = 'ok') AS ok,
    count(*) FILTER (WHERE outcome <> 'ok') AS failed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE outcome = 'ok') AS median_ms
FROM factory.calls
WHERE started_at >= $1::timestamptz
GROUP BY 1, 2
ORDER BY 1, 2
