WITH landed AS (
    SELECT
        given.id, given.project_id, given.ttl_s, given.source AS bought_by, job.batch_id,
        job.request ->> 'model' AS alias, decode(given.fingerprint, 'hex') AS hash, job.kind, job.provider,
        job.model, job.variant, job.result, job.usage,
        CASE WHEN given.ttl_s IS NULL THEN entry.worth_usd ELSE job.cost + coalesce((
            SELECT sum(hit.saved_usd) FROM factory.cache_hits AS hit WHERE hit.job_id = job.id AND hit.part
        ), 0) END AS worth_usd,
        CASE WHEN given.ttl_s IS NULL THEN entry.preferred_cost ELSE factory.direct_cost_of(job.id) END AS preferred_cost
    FROM jsonb_to_recordset($1::jsonb) AS given (
        id uuid, project_id uuid, fingerprint text, ttl_s double precision, source uuid
    )
    JOIN factory.jobs AS job ON job.id = given.id
    LEFT JOIN factory.cache_entries AS entry
        ON entry.project_id = given.project_id AND entry.fingerprint = decode(given.fingerprint, 'hex')
), stored AS (
    INSERT INTO factory.cache_entries (project_id, fingerprint, job_id, worth_usd, preferred_cost, expires_at)
    SELECT DISTINCT ON (project_id, hash)
        project_id, hash, id, worth_usd, preferred_cost, now() + make_interval(secs => ttl_s)
    FROM landed WHERE ttl_s IS NOT NULL
    ORDER BY project_id, hash, id DESC
    ON CONFLICT (project_id, fingerprint) DO UPDATE SET
        job_id = EXCLUDED.job_id, worth_usd = EXCLUDED.worth_usd, preferred_cost = EXCLUDED.preferred_cost,
        created_at = now(), expires_at = EXCLUDED.expires_at
), ended AS (
    DELETE FROM factory.flights AS flight USING landed
    WHERE flight.project_id = landed.project_id AND flight.fingerprint = landed.hash
), parked AS (
    SELECT job.id, landed.id AS source
    FROM factory.jobs AS job
    JOIN landed ON landed.project_id = job.project_id AND landed.hash = job.fingerprint
    WHERE job.waits_for IS NOT NULL AND job.state = 'queued'
    ORDER BY job.id
    FOR UPDATE OF job
), chosen AS (
    SELECT DISTINCT ON (parked.id)
        parked.id, landed.id AS landed, coalesce(landed.bought_by, landed.id) AS source, landed.provider, landed.model,
        landed.variant, landed.result, landed.usage, landed.worth_usd, landed.preferred_cost
    FROM parked JOIN landed ON landed.id = parked.source
    ORDER BY parked.id, parked.source DESC
), answered AS (
    UPDATE factory.jobs AS job SET
        state = 'completed', seq = job.seq + 1, waits_for = NULL, cached = true, finished_at = now(),
        result = chosen.result || '{"cached": true, "cost": 0}', provider = chosen.provider, model = chosen.model,
        variant = chosen.variant, usage = chosen.usage, cost = spent.cost, uncertain_cost = spent.uncertain_cost
    FROM chosen, LATERAL factory.spent_on(chosen.id) AS spent
    WHERE job.id = chosen.id AND job.state = 'queued' AND job.waits_for IS NOT NULL
    RETURNING job.id, job.batch_id, job.project_id, job.kind, job.model, job.provider, job.variant, job.usage,
        job.request ->> 'model' AS alias, chosen.source, chosen.worth_usd, chosen.preferred_cost
), told AS (
    INSERT INTO factory.cache_hits (
        id, project_id, job_id, kind, model, saved_usd, provider, alias, variant, batch_id, usage, source_job,
        preferred_cost
    )
    SELECT
        gen_random_uuid(), project_id, id, kind, coalesce(model, ''), worth_usd, provider, alias, variant, batch_id,
        usage, source, preferred_cost
    FROM answered
    UNION ALL
    SELECT
        gen_random_uuid(), project_id, id, kind, coalesce(model, ''), worth_usd, provider, alias, variant, batch_id,
        usage, bought_by, preferred_cost
    FROM landed WHERE bought_by IS NOT NULL
)
SELECT id, batch_id FROM answered
