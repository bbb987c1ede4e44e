WITH figured AS (
    SELECT
        CASE WHEN 'project' = ANY ($1::text[]) THEN call.project_id END AS project_id,
        CASE WHEN 'alias' = ANY ($1::text[]) THEN call.alias END AS alias,
        CASE WHEN 'provider' = ANY ($1::text[]) THEN call.provider END AS provider,
        CASE WHEN 'model' = ANY ($1::text[]) THEN call.model END AS model,
        CASE WHEN 'kind' = ANY ($1::text[]) THEN call.kind END AS kind,
        CASE WHEN 'variant' = ANY ($1::text[]) THEN call.variant END AS variant,
        CASE WHEN 'day' = ANY ($1::text[]) THEN (call.started_at AT TIME ZONE 'UTC')::date END AS day,
        count(*) AS calls,
        count(*) FILTER (WHERE call.outcome = 'ok') AS ok,
        count(*) FILTER (WHERE call.outcome NOT IN ('ok', 'unknown')) AS failed,
        count(*) FILTER (WHERE call.outcome = 'unknown') AS unknown,
        sum((call.usage ->> 'prompt_tokens')::bigint) AS prompt_tokens,
        sum((call.usage ->> 'completion_tokens')::bigint) AS completion_tokens,
        sum((call.usage ->> 'cached_tokens')::bigint) AS cached_tokens,
        sum((call.usage ->> 'cache_write_tokens')::bigint) AS cache_write_tokens,
        sum((call.usage ->> 'cache_write_1h_tokens')::bigint) AS cache_write_1h_tokens,
        sum((call.usage ->> 'reasoning_tokens')::bigint) AS reasoning_tokens,
        sum((call.usage ->> 'audio_tokens')::bigint) AS audio_tokens,
        sum((call.usage ->> 'characters')::bigint) AS characters,
        sum(call.cost) AS cost,
        count(*) FILTER (WHERE call.usage IS NOT NULL AND call.cost IS NULL) AS unpriced,
        sum(call.max_cost) FILTER (WHERE call.usage IS NULL AND call.cost IS NULL) AS uncertain_cost,
        count(*) FILTER (WHERE call.usage IS NULL AND call.cost IS NULL AND call.max_cost IS NULL) AS unbounded,
        0::bigint AS cache_hits,
        0::numeric AS saved_usd,
        0::bigint AS unsaved,
        sum(call.preferred_cost) FILTER (WHERE call.outcome = 'ok') AS direct_cost,
        count(*) FILTER (WHERE call.outcome = 'ok' AND call.preferred_cost IS NULL) AS undirected,
        bool_or(call.emulated) AS emulated
    FROM factory.calls AS call
    WHERE ($2::uuid IS NULL OR call.project_id = $2::uuid)
        AND call.started_at >= coalesce($3::timestamptz, '-infinity')
        AND call.started_at < coalesce($4::timestamptz, 'infinity')
        AND ($5::uuid IS NULL OR call.batch_id = $5::uuid)
        AND ($6::text IS NULL OR call.alias = $6::text)
        AND ($7::text IS NULL OR call.provider = $7::text)
        AND ($8::text IS NULL OR $8::text IN (call.model, call.provider || '/' || call.model))
        AND ($9::text IS NULL OR call.kind = $9::text)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    UNION ALL
    SELECT
        CASE WHEN 'project' = ANY ($1::text[]) THEN hit.project_id END,
        CASE WHEN 'alias' = ANY ($1::text[]) THEN hit.alias END,
        CASE WHEN 'provider' = ANY ($1::text[]) THEN hit.provider END,
        CASE WHEN 'model' = ANY ($1::text[]) THEN hit.model END,
        CASE WHEN 'kind' = ANY ($1::text[]) THEN hit.kind END,
        CASE WHEN 'variant' = ANY ($1::text[]) THEN hit.variant END,
        CASE WHEN 'day' = ANY ($1::text[]) THEN (hit.at AT TIME ZONE 'UTC')::date END,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        count(*) FILTER (WHERE NOT hit.part), sum(hit.saved_usd), count(*) FILTER (WHERE hit.saved_usd IS NULL),
        sum(hit.preferred_cost), count(*) FILTER (WHERE hit.preferred_cost IS NULL), false
    FROM factory.cache_hits AS hit
    WHERE ($2::uuid IS NULL OR hit.project_id = $2::uuid)
        AND hit.at >= coalesce($3::timestamptz, '-infinity')
        AND hit.at < coalesce($4::timestamptz, 'infinity')
        AND ($5::uuid IS NULL OR hit.batch_id = $5::uuid)
        AND ($6::text IS NULL OR hit.alias = $6::text)
        AND ($7::text IS NULL OR hit.provider = $7::text)
        AND ($8::text IS NULL OR $8::text IN (hit.model, hit.provider || '/' || hit.model))
        AND ($9::text IS NULL OR hit.kind = $9::text)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
), added AS (
    SELECT
        coalesce(project.name, figured.project_id::text) AS project,
        figured.alias, figured.provider, figured.model, figured.kind, figured.variant, figured.day,
        sum(figured.calls)::bigint AS calls,
        sum(figured.ok)::bigint AS ok,
        sum(figured.failed)::bigint AS failed,
        sum(figured.unknown)::bigint AS unknown,
        coalesce(sum(figured.prompt_tokens), 0)::bigint AS prompt_tokens,
        coalesce(sum(figured.completion_tokens), 0)::bigint AS completion_tokens,
        coalesce(sum(figured.cached_tokens), 0)::bigint AS cached_tokens,
        coalesce(sum(figured.cache_write_tokens), 0)::bigint AS cache_write_tokens,
        coalesce(sum(figured.cache_write_1h_tokens), 0)::bigint AS cache_write_1h_tokens,
        coalesce(sum(figured.reasoning_tokens), 0)::bigint AS reasoning_tokens,
        coalesce(sum(figured.audio_tokens), 0)::bigint AS audio_tokens,
        coalesce(sum(figured.characters), 0)::bigint AS characters,
        coalesce(sum(figured.cost), 0) AS cost,
        sum(figured.unpriced)::bigint AS unpriced,
        coalesce(sum(figured.uncertain_cost), 0) AS uncertain_cost,
        sum(figured.unbounded)::bigint AS unbounded,
        sum(figured.cache_hits)::bigint AS cache_hits,
        coalesce(sum(figured.saved_usd), 0) AS saved_usd,
        sum(figured.unsaved)::bigint AS unsaved,
        coalesce(sum(figured.direct_cost), 0) AS direct_cost,
        sum(figured.undirected)::bigint AS undirected,
        bool_or(figured.emulated) AS emulated
    FROM figured LEFT JOIN factory.projects AS project ON project.id = figured.project_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7
)
SELECT added.*
FROM added CROSS JOIN LATERAL (
    SELECT array_agg(
        CASE dimension.name
            WHEN 'project' THEN added.project
            WHEN 'alias' THEN added.alias
            WHEN 'provider' THEN added.provider
            WHEN 'model' THEN added.model
            WHEN 'kind' THEN added.kind
            WHEN 'variant' THEN added.variant
            WHEN 'day' THEN added.day::text
        END ORDER BY dimension.place
    ) AS place
    FROM unnest($1::text[]) WITH ORDINALITY AS dimension (name, place)
) AS sorted
ORDER BY sorted.place COLLATE "C"
LIMIT $10::integer
