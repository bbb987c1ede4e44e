-- What a job that comes alone does not need is not asked for: nobody waits for its answer, it is of no batch.

-- The answers of completed jobs: each is kept for its `ttl_s` and ends the flight of its request; with `source` it came
-- out of the cache itself. Gives the jobs that waited for it and have it now.
CREATE OR REPLACE FUNCTION factory.land_flights(landings jsonb, OUT id uuid, OUT batch_id uuid) RETURNS SETOF record
LANGUAGE plpgsql SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
    ids uuid[];
    projects uuid[];
    hashes bytea[];
    repeats boolean;
BEGIN
    SELECT
        array_agg(given.id), array_agg(DISTINCT given.project_id), array_agg(DISTINCT decode(given.fingerprint, 'hex')),
        bool_or(given.source IS NOT NULL)
    INTO ids, projects, hashes, repeats
    FROM jsonb_to_recordset(landings) AS given (id uuid, project_id uuid, fingerprint text, source uuid);
    INSERT INTO factory.cache_entries (project_id, fingerprint, job_id, worth_usd, preferred_cost, expires_at)
    SELECT DISTINCT ON (given.project_id, given.fingerprint)
        given.project_id, decode(given.fingerprint, 'hex'), job.id,
        CASE WHEN job.kind <> 'speech' THEN job.cost ELSE job.cost + coalesce((
            SELECT sum(hit.saved_usd) FROM factory.cache_hits AS hit WHERE hit.job_id = job.id AND hit.part
        ), 0) END,
        CASE WHEN job.kind <> 'speech' THEN good.preferred_cost ELSE factory.direct_cost_of(job.id) END,
        now() + make_interval(secs => given.ttl_s)
    FROM jsonb_to_recordset(landings) AS given (id uuid, project_id uuid, fingerprint text, ttl_s double precision)
    JOIN factory.jobs AS job ON job.id = given.id AND job.id = ANY (ids)
    LEFT JOIN (
        SELECT DISTINCT ON (call.job_id) call.job_id, call.preferred_cost
        FROM factory.calls AS call WHERE call.job_id = ANY (ids) AND call.outcome = 'ok'
        ORDER BY call.job_id, call.finished_at DESC, call.id
    ) AS good ON good.job_id = given.id
    WHERE given.ttl_s IS NOT NULL
    ORDER BY given.project_id, given.fingerprint, job.id DESC
    ON CONFLICT (project_id, fingerprint) DO UPDATE SET
        job_id = EXCLUDED.job_id, worth_usd = EXCLUDED.worth_usd, preferred_cost = EXCLUDED.preferred_cost,
        created_at = now(), expires_at = EXCLUDED.expires_at;
    IF repeats THEN
        INSERT INTO factory.cache_hits (
            id, project_id, job_id, kind, model, saved_usd, provider, alias, variant, batch_id, usage, source_job,
            preferred_cost
        )
        SELECT
            gen_random_uuid(), job.project_id, job.id, job.kind, coalesce(job.model, ''), entry.worth_usd, job.provider,
            job.request ->> 'model', job.variant, job.batch_id, job.usage, given.source, entry.preferred_cost
        FROM jsonb_to_recordset(landings) AS given (id uuid, project_id uuid, fingerprint text, source uuid)
        JOIN factory.jobs AS job ON job.id = given.id AND job.id = ANY (ids)
        LEFT JOIN factory.cache_entries AS entry
            ON entry.project_id = given.project_id AND entry.fingerprint = decode(given.fingerprint, 'hex')
            AND entry.project_id = ANY (projects) AND entry.fingerprint = ANY (hashes)
        WHERE given.source IS NOT NULL;
    END IF;
    DELETE FROM factory.flights AS flight
    USING jsonb_to_recordset(landings) AS given (project_id uuid, fingerprint text)
    WHERE flight.project_id = given.project_id AND flight.fingerprint = decode(given.fingerprint, 'hex')
        AND flight.project_id = ANY (projects) AND flight.fingerprint = ANY (hashes);
    IF NOT EXISTS (
        SELECT FROM factory.jobs AS job
        WHERE job.project_id = ANY (projects) AND job.fingerprint = ANY (hashes)
            AND job.waits_for IS NOT NULL AND job.state = 'queued'
    ) THEN RETURN; END IF;
    RETURN QUERY
    WITH parked AS MATERIALIZED (
        SELECT job.id, job.project_id, job.fingerprint, given.id AS landed, given.source
        FROM jsonb_to_recordset(landings) AS given (id uuid, project_id uuid, fingerprint text, source uuid)
        JOIN factory.jobs AS job
            ON job.project_id = given.project_id AND job.fingerprint = decode(given.fingerprint, 'hex')
        WHERE job.project_id = ANY (projects) AND job.fingerprint = ANY (hashes)
            AND job.waits_for IS NOT NULL AND job.state = 'queued'
        ORDER BY job.id
        FOR UPDATE OF job
    ), chosen AS (
        SELECT DISTINCT ON (parked.id)
            parked.id, coalesce(parked.source, parked.landed) AS source, landed.provider, landed.model, landed.variant,
            landed.result, landed.usage, entry.worth_usd, entry.preferred_cost
        FROM parked
        JOIN factory.jobs AS landed ON landed.id = parked.landed AND landed.id = ANY (ids)
        LEFT JOIN factory.cache_entries AS entry
            ON entry.project_id = parked.project_id AND entry.fingerprint = parked.fingerprint
            AND entry.project_id = ANY (projects) AND entry.fingerprint = ANY (hashes)
        ORDER BY parked.id, parked.landed DESC
    ), answered AS (
        UPDATE factory.jobs AS job SET
            state = 'completed', seq = job.seq + 1, waits_for = NULL, cached = true, finished_at = now(),
            result = chosen.result || '{"cached": true, "cost": 0}', provider = chosen.provider, model = chosen.model,
            variant = chosen.variant, usage = chosen.usage,
            (cost, uncertain_cost) = (
                SELECT spent.cost, spent.uncertain_cost FROM factory.spent_on(job.id) AS spent
            )
        FROM chosen
        WHERE job.id = chosen.id AND job.id = ANY (ARRAY(SELECT one.id FROM chosen AS one))
            AND job.state = 'queued' AND job.waits_for IS NOT NULL
        RETURNING job.*, chosen.source, chosen.worth_usd, chosen.preferred_cost
    ), told AS (
        INSERT INTO factory.cache_hits (
            id, project_id, job_id, kind, model, saved_usd, provider, alias, variant, batch_id, usage, source_job,
            preferred_cost
        )
        SELECT
            gen_random_uuid(), project_id, id, kind, coalesce(model, ''), worth_usd, provider, request ->> 'model',
            variant, batch_id, usage, source, preferred_cost
        FROM answered
    )
    SELECT answered.id, answered.batch_id FROM answered;
END $$;

CREATE OR REPLACE FUNCTION factory.note_batch_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changes jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM new_jobs WHERE batch_id IS NOT NULL) THEN RETURN NULL; END IF;
    SELECT jsonb_agg(change) INTO changes FROM (
        SELECT
            batch_id, sum(waiting) AS waiting, sum(queued) AS queued, sum(in_progress) AS in_progress,
            sum(completed) AS completed, sum(failed) AS failed, sum(cancelled) AS cancelled, sum(expired) AS expired,
            sum(cost_usd) AS cost_usd, sum(unpriced) AS unpriced
        FROM (
            SELECT
                batch_id,
                sum(sign) FILTER (WHERE state = 'waiting') AS waiting,
                sum(sign) FILTER (WHERE state = 'queued') AS queued,
                sum(sign) FILTER (WHERE state IN ('in_progress', 'cancelling')) AS in_progress,
                sum(sign) FILTER (WHERE state = 'completed') AS completed,
                sum(sign) FILTER (WHERE state = 'failed') AS failed,
                sum(sign) FILTER (WHERE state = 'cancelled') AS cancelled,
                sum(sign) FILTER (WHERE state = 'expired') AS expired,
                sum(sign * cost) FILTER (WHERE factory.is_over(state)) AS cost_usd,
                sum(sign) FILTER (WHERE factory.is_over(state) AND cost IS NULL) AS unpriced
            FROM (
                SELECT batch_id, state, cost, 1 AS sign FROM new_jobs WHERE batch_id IS NOT NULL
                UNION ALL
                SELECT batch_id, state, cost, -1 FROM old_jobs WHERE batch_id IS NOT NULL
            ) AS one
            GROUP BY batch_id
            UNION ALL
            SELECT * FROM factory.noted_batch_changes()
        ) AS part
        GROUP BY batch_id
    ) AS change;
    IF changes IS NOT NULL THEN
        PERFORM set_config('factory.batch_changes', changes::text, true);
    END IF;
    RETURN NULL;
END $$;
