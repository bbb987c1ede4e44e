WITH recent AS MATERIALIZED (
    SELECT call.provider, call.model, call.kind, call.job_id, call.attempt, call.duration_ms, call.started_at,
        (call.usage ->> 'completion_tokens')::integer AS tokens, (call.usage ->> 'total_tokens')::integer AS counted
    FROM factory.calls AS call
    WHERE call.outcome = 'ok' AND call.usage IS NOT NULL
    ORDER BY call.id DESC
    LIMIT $1::integer
), slots AS (
    SELECT provider, model, kind,
        extract(epoch FROM max(started_at + duration_ms * interval '1 millisecond') - min(started_at)) * 1000 AS held_ms
    FROM recent
    GROUP BY provider, model, kind, job_id, attempt
), means AS (
    SELECT provider, model, kind, avg(held_ms) AS slot_ms_mean FROM slots GROUP BY provider, model, kind
)
INSERT INTO factory.call_figures (
    provider, model, kind, calls, completion_tokens_mean, completion_tokens_p99, duration_ms_mean, slot_ms_mean,
    tokens_mean, measured_at
)
SELECT
    recent.provider, recent.model, recent.kind, count(*), avg(recent.tokens),
    percentile_disc(0.99) WITHIN GROUP (ORDER BY recent.tokens), avg(recent.duration_ms), min(means.slot_ms_mean),
    avg(recent.counted), now()
FROM recent JOIN means USING (provider, model, kind)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (provider, model, kind) DO UPDATE SET
    calls = EXCLUDED.calls, completion_tokens_mean = EXCLUDED.completion_tokens_mean,
    completion_tokens_p99 = EXCLUDED.completion_tokens_p99, duration_ms_mean = EXCLUDED.duration_ms_mean,
    slot_ms_mean = EXCLUDED.slot_ms_mean, tokens_mean = EXCLUDED.tokens_mean, measured_at = EXCLUDED.measured_at
