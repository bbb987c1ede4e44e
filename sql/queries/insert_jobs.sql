WITH known AS (
    SELECT
        given.*, entry.worth_usd, entry.preferred_cost, answered.id AS source, answered.result,
        answered.provider, answered.model, answered.variant, answered.usage
    FROM jsonb_to_recordset($1::jsonb) AS given (
        id uuid, project_id uuid, batch_id uuid, line integer, key text, after uuid[], blockers integer, state text,
        kind text, priority text, request jsonb, run_at timestamptz, deadline_s double precision, retry_of uuid,
        metadata jsonb, fingerprint text, reserved_usd numeric, sent_hash text, traceparent text
    )
    LEFT JOIN factory.cache_entries AS entry
        ON entry.project_id = given.project_id AND entry.fingerprint = decode(given.fingerprint, 'hex')
        AND entry.expires_at > now()
    LEFT JOIN factory.jobs AS answered ON answered.id = entry.job_id AND answered.audio_expired_at IS NULL
), made AS (
    INSERT INTO factory.jobs (
        id, project_id, batch_id, line, key, after, blockers, state, kind, priority, request, run_at, deadline, retry_of,
        metadata, created_at, queued_at, finished_at, fingerprint, reserved_usd, webhook_url, sent_hash, traceparent,
        result, provider, model, variant, usage, cost, cached
    )
    SELECT
        id, project_id, batch_id, line, key, after, CASE WHEN source IS NULL THEN blockers ELSE 0 END,
        CASE WHEN source IS NULL THEN state ELSE 'completed' END, kind, priority, request, coalesce(run_at, now()),
        now() + make_interval(secs => deadline_s), retry_of, metadata, now(),
        CASE WHEN source IS NULL AND state = 'queued' THEN now() END, CASE WHEN source IS NOT NULL THEN now() END,
        decode(fingerprint, 'hex'), CASE WHEN source IS NULL THEN reserved_usd END, request ->> 'webhook_url',
        decode(sent_hash, 'hex'), traceparent,
        result || '{"cached": true, "cost": 0}', provider, model, variant, usage,
        CASE WHEN source IS NOT NULL THEN 0 END, source IS NOT NULL
    FROM known
    WHERE source IS NOT NULL OR NOT $2
), told AS (
    INSERT INTO factory.cache_hits (
        id, project_id, job_id, kind, model, saved_usd, provider, alias, variant, batch_id, usage, source_job,
        preferred_cost
    )
    SELECT
        gen_random_uuid(), project_id, id, kind, coalesce(model, ''), worth_usd, provider, request ->> 'model', variant,
        batch_id, usage, source, preferred_cost
    FROM known
    WHERE source IS NOT NULL
)
SELECT now() AS at, ARRAY(SELECT id FROM known WHERE source IS NOT NULL) AS answered
