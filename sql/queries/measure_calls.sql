INSERT INTO factory.call_figures (
    provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99, duration_ms_mean, measured_at
)
SELECT
    recent.provider, recent.model, recent.kind, count(*), avg(recent.tokens),
    percentile_disc(0.99) WITHIN GROUP (ORDER BY recent.tokens), avg(recent.duration_ms), now()
FROM (
    SELECT call.provider, call.model, call.kind, (call.usage ->> 'completion_tokens')::integer AS tokens,
        call.duration_ms
    FROM factory.calls AS call
    WHERE call.outcome = 'ok' AND call.usage IS NOT NULL
    ORDER BY call.id DESC
    LIMIT $1::integer
) AS recent
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (provider, model, kind) DO UPDATE SET
    calls = EXCLUDED.calls, completion_tokens_mean = EXCLUDED.completion_tokens_mean,
    completion_tokens_p99 = EXCLUDED.completion_tokens_p99, duration_ms_mean = EXCLUDED.duration_ms_mean,
    measured_at = EXCLUDED.measured_at
