-- What was asked for each job of a group is asked for all of them at once.

-- An entry goes with its job. A foreign key asked for the job again for every entry, though whoever makes one holds the
-- job's row.
ALTER TABLE factory.cache_entries DROP CONSTRAINT cache_entries_job_id_fkey;
CREATE FUNCTION factory.forget_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM factory.cache_entries AS entry
    WHERE entry.job_id = ANY (ARRAY(SELECT gone.id FROM old_jobs AS gone));
    RETURN NULL;
END $$;
CREATE TRIGGER forget_answers AFTER DELETE ON factory.jobs
REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION factory.forget_answers();

-- Volatile, so that it sees what was committed up to its call: who lands a flight stores the answer and removes the
-- flight in one transaction, so whoever boards and then asks this finds the answer.
CREATE FUNCTION factory.known_answers(projects uuid[], asked bytea[], OUT project_id uuid, OUT fingerprint bytea)
RETURNS SETOF record LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT entry.project_id, entry.fingerprint FROM factory.cache_entries AS entry
    WHERE entry.project_id = ANY (projects) AND entry.fingerprint = ANY (asked)
        AND entry.expires_at > clock_timestamp();
END $$;

-- `what`: a job that `ended` by its holder's word, was `answered` with it, `failed` because of it, or is `queued` again.
-- The rows are locked first and what was spent is read afterwards.
CREATE OR REPLACE FUNCTION factory.end_jobs(
    ending uuid[], ends jsonb, lines jsonb, landings jsonb, at timestamptz,
    OUT what text, OUT id uuid, OUT batch_id uuid, OUT cost numeric
) RETURNS SETOF record LANGUAGE plpgsql SET enable_nestloop = off SET plan_cache_mode = force_generic_plan AS $$
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
        IF cardinality(ended) < jsonb_array_length(ends) THEN
            landings := (
                SELECT coalesce(jsonb_agg(given), '[]') FROM jsonb_array_elements(landings) AS given
                WHERE (given ->> 'id')::uuid = ANY (completed)
            );
        END IF;
        FOR one IN SELECT answered.id, answered.batch_id FROM factory.land_flights(landings) AS answered LOOP
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
