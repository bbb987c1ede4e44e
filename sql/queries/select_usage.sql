SELECT
    call.provider, call.model, call.variant, call.kind, (call.started_at AT TIME ZONE 'UTC')::date AS day,
    count(*) AS calls,
    count(*) FILTER (WHERE call.outcome = 'ok') AS ok,
    count(*) FILTER (WHERE call.outcome = 'unknown') AS unknown,
    coalesce(sum((call.usage ->> 'prompt_tokens')::bigint), 0)::bigint AS prompt_tokens,
    coalesce(sum((call.usage ->> 'completion_tokens')::bigint), 0)::bigint AS completion_tokens,
    coalesce(sum((call.usage ->> 'characters')::bigint), 0)::bigint AS characters,
    sum(call.cost) AS cost,
    count(*) FILTER (WHERE call.usage IS NOT NULL AND call.cost IS NULL) AS unpriced,
    sum(call.max_cost) FILTER (WHERE call.usage IS NULL AND call.cost IS NULL) AS uncertain_cost,
    bool_or(call.emulated) AS emulated
FROM factory.calls AS call
WHERE call.project_id = $1::uuid
    AND ($2::uuid IS NULL OR call.batch_id = $2::uuid)
    AND ($3::timestamptz IS NULL OR call.started_at >= $3::timestamptz)
    AND ($4::timestamptz IS NULL OR call.started_at < $4::timestamptz)
GROUP BY 1, 2, 3, 4, 5
ORDER BY 5, 1, 2, 3, 4
