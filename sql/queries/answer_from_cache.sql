WITH wanted AS (
    SELECT given.*, decode(given.fingerprint, 'hex') AS hash
    FROM jsonb_to_recordset($1::jsonb) AS given (
        id uuid, project_id uuid, batch_id uuid, line integer, key text, after uuid[], kind text, priority text,
        request jsonb, run_at timestamptz, deadline_s double precision, retry_of uuid, metadata jsonb, fingerprint text,
        sent_hash text, traceparent text
    )
), found AS (
    SELECT
        wanted.*, entry.job_id AS source, entry.worth_usd, entry.preferred_cost, answered.result, answered.provider, answered.model,
        answered.variant, answered.usage
    FROM wanted
    JOIN factory.cache_entries AS entry ON entry.project_id = wanted.project_id AND entry.fingerprint = wanted.hash
    JOIN factory.jobs AS answered ON answered.id = entry.job_id
    WHERE entry.expires_at > now() AND answered.audio_expired_at IS NULL
), made AS (
    INSERT INTO factory.jobs (
        id, project_id, batch_id, line, key, after, state, kind, priority, request, run_at, deadline, retry_of,
        metadata, created_at, finished_at, fingerprint, result, provider, model, variant, usage, cost, cached,
        webhook_url, sent_hash, traceparent
    )
    SELECT
        id, project_id, batch_id, line, key, after, 'completed', kind, priority, request, coalesce(run_at, now()),
        now() + make_interval(secs => deadline_s), retry_of, metadata, now(), now(), hash,
        result || '{"cached": true, "cost": 0}', provider, model, variant, usage, 0, true,
        request ->> 'webhook_url', decode(sent_hash, 'hex'), traceparent
    FROM found
), told AS (
    INSERT INTO factory.cache_hits (
        id, project_id, job_id, kind, model, saved_usd, provider, alias, variant, batch_id, usage, source_job,
        preferred_cost
    )
    SELECT
        gen_random_uuid(), project_id, id, kind, coalesce(model, ''), worth_usd, provider, request ->> 'model', variant,
        batch_id, usage, source, preferred_cost
    FROM found
)
SELECT id FROM found
