-- The end of jobs in one round trip: their last ledger lines, the jobs, the answers that are kept and given to others,
-- and what comes after them.

CREATE VIEW factory.job_spending AS
SELECT
    call.job_id,
    CASE WHEN bool_or(call.usage IS NOT NULL AND call.cost IS NULL) THEN NULL ELSE coalesce(sum(call.cost), 0) END AS cost,
    sum(call.max_cost) FILTER (WHERE call.usage IS NULL AND call.cost IS NULL) AS uncertain_cost
FROM factory.calls AS call
GROUP BY call.job_id;
COMMENT ON VIEW factory.job_spending IS 'What jobs have cost: NULL when a price is not known; beside it the most that lines without a known end can have cost. Jobs without a line are not in it.';

-- In plpgsql, whose plans are kept; those of functions in SQL are made anew for every statement that calls them.
CREATE OR REPLACE FUNCTION factory.spent_on(spender uuid, OUT cost numeric, OUT uncertain_cost numeric)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT spent.cost, spent.uncertain_cost INTO cost, uncertain_cost
    FROM factory.job_spending AS spent WHERE spent.job_id = spender;
    IF NOT FOUND THEN cost := 0; END IF;
END $$;
CREATE OR REPLACE FUNCTION factory.direct_cost_of(asker uuid) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT CASE WHEN bool_and(answered.preferred_cost IS NOT NULL) THEN sum(answered.preferred_cost) END
        FROM (
            (
                SELECT DISTINCT ON (call.part) call.preferred_cost
                FROM factory.calls AS call
                WHERE call.job_id = asker AND call.outcome = 'ok'
                ORDER BY call.part, call.finished_at DESC, call.id
            )
            UNION ALL
            SELECT hit.preferred_cost FROM factory.cache_hits AS hit WHERE hit.job_id = asker AND hit.part
        ) AS answered
    );
END $$;

-- Nothing from here on may compare each row of a group with each: no nested loops, and every table is entered by the
-- keys of the group, so that no plan goes over all of it either.

-- Lines whose job has ended meanwhile under another fence are added to it. Its row is locked first, and read afterwards,
-- so that whoever ends it either sees the line or is seen.
CREATE FUNCTION factory.complete_calls(lines jsonb) RETURNS SETOF uuid LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    ending uuid[] := ARRAY(SELECT given.id FROM jsonb_to_recordset(lines) AS given (id uuid));
    completed uuid[];
    spenders uuid[];
    fences bigint[];
    overtaken uuid[];
BEGIN
    WITH ended AS (
        UPDATE factory.calls AS call SET
            outcome = given.outcome, finished_at = given.finished_at, duration_ms = given.duration_ms,
            status = given.status, usage = given.usage, cost = given.cost,
            provider_request_id = given.provider_request_id, error_message = given.error_message,
            schema_outcome = given.schema_outcome, preferred_cost = given.preferred_cost
        FROM jsonb_to_recordset(lines) AS given (
            id uuid, outcome text, finished_at timestamptz, duration_ms integer, status integer, usage jsonb,
            cost numeric, provider_request_id text, error_message text, schema_outcome text, preferred_cost numeric
        )
        WHERE call.id = given.id AND call.id = ANY (ending) AND (call.outcome IS NULL OR call.outcome = 'unknown')
        RETURNING call.id, call.job_id, call.fence
    )
    SELECT array_agg(ended.id), array_agg(ended.job_id), array_agg(ended.fence) INTO completed, spenders, fences FROM ended;
    overtaken := ARRAY(
        SELECT job.id FROM factory.jobs AS job JOIN unnest(spenders, fences) AS line (job_id, fence) ON line.job_id = job.id
        WHERE job.id = ANY (spenders) AND job.fence <> line.fence
    );
    IF overtaken <> '{}' THEN
        PERFORM FROM factory.jobs AS job WHERE job.id = ANY (overtaken) ORDER BY job.id FOR UPDATE;
        UPDATE factory.jobs AS job SET (cost, uncertain_cost) = (
            SELECT spent.cost, spent.uncertain_cost FROM factory.spent_on(job.id) AS spent
        )
        WHERE job.id = ANY (overtaken) AND factory.is_over(job.state);
    END IF;
    RETURN QUERY SELECT unnest(completed);
END $$;

-- What follows is found row by row in an index that only a nested loop can ask, also when `end_jobs` is the caller.
CREATE FUNCTION factory.release_dependents(done uuid[], at timestamptz) RETURNS SETOF uuid
LANGUAGE plpgsql SET enable_nestloop = on AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH freed AS (
        SELECT job.id, count(*)::integer AS count
        FROM unnest(done) AS one (id)
        JOIN factory.jobs AS job ON job.state = 'waiting' AND job.after @> ARRAY[one.id]
        GROUP BY job.id
    ), locked AS (
        SELECT job.id, freed.count FROM factory.jobs AS job JOIN freed USING (id)
        WHERE job.state = 'waiting' AND job.id = ANY (ARRAY(SELECT id FROM freed)) ORDER BY job.id FOR UPDATE OF job
    ), released AS (
        UPDATE factory.jobs AS job SET
            blockers = job.blockers - locked.count,
            state = CASE WHEN job.blockers = locked.count THEN 'queued' ELSE job.state END,
            seq = job.seq + (job.blockers = locked.count)::integer,
            queued_at = CASE WHEN job.blockers = locked.count THEN coalesce(at, now()) END
        FROM locked
        WHERE job.id = locked.id AND job.id = ANY (ARRAY(SELECT id FROM locked))
        RETURNING job.id, job.state
    )
    SELECT released.id FROM released WHERE released.state = 'queued';
END $$;
COMMENT ON FUNCTION factory.release_dependents IS 'Tells the jobs that waited for these, which are completed; gives those that are queued now.';

CREATE FUNCTION factory.fail_dependents(ended uuid, reason jsonb, at timestamptz) RETURNS SETOF uuid
LANGUAGE plpgsql SET enable_nestloop = on AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE downstream AS (
        SELECT id FROM factory.jobs WHERE state = 'waiting' AND after @> ARRAY[ended]
        UNION
        SELECT job.id
        FROM factory.jobs AS job JOIN downstream ON job.state = 'waiting' AND job.after @> ARRAY[downstream.id]
    ), blocked AS (
        SELECT job.id FROM factory.jobs AS job JOIN downstream USING (id)
        WHERE job.state = 'waiting' ORDER BY job.id FOR UPDATE OF job
    )
    UPDATE factory.jobs AS job SET
        state = 'failed', seq = job.seq + 1, error = reason, cost = 0, finished_at = coalesce(at, now())
    FROM blocked
    WHERE job.id = blocked.id
    RETURNING job.id;
END $$;

-- The answers of completed jobs: each is kept for its `ttl_s` and ends the flight of its request; with `source` it came
-- out of the cache itself. Gives the jobs that waited for it and have it now.
CREATE FUNCTION factory.land_flights(landings jsonb, OUT id uuid, OUT batch_id uuid) RETURNS SETOF record
LANGUAGE plpgsql SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
    ids uuid[];
    projects uuid[];
    hashes bytea[];
BEGIN
    SELECT array_agg(given.id), array_agg(DISTINCT given.project_id), array_agg(DISTINCT decode(given.fingerprint, 'hex'))
    INTO ids, projects, hashes
    FROM jsonb_to_recordset(landings) AS given (id uuid, project_id uuid, fingerprint text);
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
    DELETE FROM factory.flights AS flight
    USING jsonb_to_recordset(landings) AS given (project_id uuid, fingerprint text)
    WHERE flight.project_id = given.project_id AND flight.fingerprint = decode(given.fingerprint, 'hex')
        AND flight.project_id = ANY (projects) AND flight.fingerprint = ANY (hashes);
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

CREATE FUNCTION factory.promote_followers(ended uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql SET enable_nestloop = on AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH fallen AS (
        SELECT flight.project_id, flight.fingerprint
        FROM factory.flights AS flight
        WHERE flight.job_id = ANY (ended)
        ORDER BY 1, 2
        FOR UPDATE
    ), chosen AS (
        SELECT DISTINCT ON (fallen.project_id, fallen.fingerprint) job.id, fallen.project_id, fallen.fingerprint
        FROM fallen JOIN factory.jobs AS job USING (project_id, fingerprint)
        WHERE job.waits_for IS NOT NULL AND job.state = 'queued'
        ORDER BY fallen.project_id, fallen.fingerprint,
            array_position(ARRAY['interactive', 'standard', 'batch'], job.priority), job.id
    ), renamed AS (
        UPDATE factory.flights AS flight SET job_id = chosen.id
        FROM chosen
        WHERE flight.project_id = chosen.project_id AND flight.fingerprint = chosen.fingerprint
    ), gone AS (
        DELETE FROM factory.flights AS flight USING fallen
        WHERE flight.project_id = fallen.project_id AND flight.fingerprint = fallen.fingerprint
            AND NOT EXISTS (
                SELECT FROM chosen
                WHERE chosen.project_id = fallen.project_id AND chosen.fingerprint = fallen.fingerprint
            )
    )
    UPDATE factory.jobs AS job SET waits_for = NULL, seq = job.seq + 1, queued_at = now()
    FROM chosen
    WHERE job.id = chosen.id AND job.state = 'queued' AND job.waits_for IS NOT NULL
    RETURNING job.id;
END $$;
COMMENT ON FUNCTION factory.promote_followers IS 'These jobs ended without an answer: of those that wait for each, the first by priority takes its place.';

-- `what`: a job that `ended` by its holder's word, was `answered` with it, `failed` because of it, or is `queued` again.
-- The rows are locked first and what was spent is read afterwards.
CREATE FUNCTION factory.end_jobs(
    ending uuid[], ends jsonb, lines jsonb, landings jsonb, at timestamptz,
    OUT what text, OUT id uuid, OUT batch_id uuid, OUT cost numeric
) RETURNS SETOF record LANGUAGE plpgsql SET enable_nestloop = off AS $$
#variable_conflict use_column
DECLARE
    ended uuid[];
    completed uuid[];
    batched uuid[];
    one record;
BEGIN
    IF lines <> '[]' THEN PERFORM factory.complete_calls(lines); END IF;
    PERFORM FROM factory.jobs AS job WHERE job.id = ANY (ending) ORDER BY job.id FOR UPDATE;
    FOR one IN
        UPDATE factory.jobs AS job SET
            state = given.state,
            seq = job.seq + 1,
            result = given.result,
            error = given.error,
            provider = given.provider,
            model = given.model,
            variant = CASE WHEN given.state = 'completed' THEN given.variant ELSE coalesce((
                SELECT call.variant FROM factory.calls AS call
                WHERE call.job_id = given.id AND call.variant IS NOT NULL ORDER BY call.started_at, call.id LIMIT 1
            ), given.variant) END,
            usage = given.usage,
            cached = given.cached,
            cost = CASE WHEN spent.job_id IS NULL THEN 0 ELSE spent.cost END,
            uncertain_cost = spent.uncertain_cost,
            finished_at = coalesce(at, now())
        FROM jsonb_to_recordset(ends) AS given (
            id uuid, fence bigint, state text, result jsonb, error jsonb, provider text, model text, variant text,
            usage jsonb, cached boolean
        ) LEFT JOIN factory.job_spending AS spent ON spent.job_id = given.id AND spent.job_id = ANY (ending)
        WHERE job.id = given.id AND job.id = ANY (ending) AND job.fence = given.fence AND job.state IN ('in_progress', 'cancelling')
        RETURNING job.id, job.batch_id, job.cost, job.state
    LOOP
        what := 'ended'; id := one.id; batch_id := one.batch_id; cost := one.cost;
        RETURN NEXT;
        ended := ended || one.id;
        IF one.state = 'completed' THEN
            completed := completed || one.id;
            IF one.batch_id IS NOT NULL THEN batched := batched || one.id; END IF;
        END IF;
    END LOOP;
    cost := NULL;
    IF landings <> '[]' AND completed IS NOT NULL THEN
        FOR one IN
            SELECT answered.id, answered.batch_id FROM factory.land_flights((
                SELECT coalesce(jsonb_agg(given), '[]') FROM jsonb_array_elements(landings) AS given
                WHERE (given ->> 'id')::uuid = ANY (completed)
            )) AS answered
        LOOP
            what := 'answered'; id := one.id; batch_id := one.batch_id;
            RETURN NEXT;
            IF one.batch_id IS NOT NULL THEN batched := batched || one.id; END IF;
        END LOOP;
    END IF;
    batch_id := NULL;
    IF cardinality(ended) > coalesce(cardinality(completed), 0) THEN
        RETURN QUERY
        SELECT 'queued', promoted, NULL::uuid, NULL::numeric FROM factory.promote_followers(ended) AS promoted;
        RETURN QUERY
        SELECT 'failed', failed, NULL::uuid, NULL::numeric
        FROM jsonb_to_recordset(ends) AS given (id uuid, dependents_error jsonb),
            LATERAL factory.fail_dependents(given.id, given.dependents_error, at) AS failed
        WHERE given.dependents_error IS NOT NULL AND given.id = ANY (ended);
    END IF;
    IF EXISTS (
        SELECT FROM factory.batches AS batch
        WHERE batch.waiting > 0
            AND batch.id = ANY (ARRAY(SELECT job.batch_id FROM factory.jobs AS job WHERE job.id = ANY (batched)))
    ) THEN
        RETURN QUERY
        SELECT 'queued', freed, NULL::uuid, NULL::numeric
        FROM factory.release_dependents(batched, at) AS freed;
    END IF;
END $$;

-- Without a look at the lines where nothing follows what they cost.
CREATE OR REPLACE FUNCTION factory.count_spending() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM new_lines AS line
        WHERE line.project_id IN (SELECT project.id FROM factory.projects AS project WHERE project.settings ? 'budgets')
    ) THEN
        INSERT INTO factory.budget_periods AS kept (project_id, period, starts_at, spent_usd, uncertain_usd)
        SELECT line.project_id, budget.period, factory.period_start(budget.period, zone.name, line.started_at),
            sum(now_is.spent - was.spent), sum(now_is.uncertain - was.uncertain)
        FROM new_lines AS line
        JOIN old_lines AS before ON before.id = line.id
        JOIN factory.projects AS project ON project.id = line.project_id AND project.settings ? 'budgets'
        CROSS JOIN LATERAL factory.zone_of(project.settings) AS zone (name)
        CROSS JOIN (VALUES ('daily'), ('monthly')) AS budget (period)
        CROSS JOIN LATERAL factory.line_spent(line) AS now_is
        CROSS JOIN LATERAL factory.line_spent(before) AS was
        GROUP BY 1, 2, 3
        HAVING sum(now_is.spent - was.spent) <> 0 OR sum(now_is.uncertain - was.uncertain) <> 0
        ORDER BY 1, 2, 3
        ON CONFLICT (project_id, period, starts_at) DO UPDATE SET
            spent_usd = kept.spent_usd + EXCLUDED.spent_usd, uncertain_usd = kept.uncertain_usd + EXCLUDED.uncertain_usd;
    END IF;
    IF EXISTS (
        SELECT FROM new_lines AS line JOIN factory.batches AS batch ON batch.id = line.batch_id
        WHERE batch.max_cost_usd IS NOT NULL
    ) THEN
        UPDATE factory.batches AS batch SET
            spent_usd = batch.spent_usd + ended.spent, uncertain_usd = batch.uncertain_usd + ended.uncertain
        FROM (
            SELECT
                line.batch_id, sum(now_is.spent - was.spent) AS spent, sum(now_is.uncertain - was.uncertain) AS uncertain
            FROM new_lines AS line
            JOIN old_lines AS before ON before.id = line.id
            CROSS JOIN LATERAL factory.line_spent(line) AS now_is
            CROSS JOIN LATERAL factory.line_spent(before) AS was
            WHERE line.batch_id IS NOT NULL
            GROUP BY line.batch_id
            ORDER BY line.batch_id
        ) AS ended
        WHERE batch.id = ended.batch_id AND batch.max_cost_usd IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;

-- Volatile, so that it sees what was committed up to its call: who lands a flight stores the answer and removes the
-- flight in one transaction, so whoever boards and then asks this finds the answer.
CREATE FUNCTION factory.has_answer(project uuid, asked bytea) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM factory.cache_entries AS entry
        WHERE entry.project_id = project AND entry.fingerprint = asked AND entry.expires_at > clock_timestamp()
    );
END $$;
