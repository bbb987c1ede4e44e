-- Batches of a hundred thousand: lines that wait to be read, states, and counts that need no counting.

ALTER TABLE factory.batches
    ADD COLUMN state text NOT NULL DEFAULT 'in_progress'
        CHECK (state IN ('validating', 'in_progress', 'completed', 'failed', 'cancelled')),
    ADD COLUMN finished_at timestamptz,
    ADD COLUMN on_error text NOT NULL DEFAULT 'reject' CHECK (on_error IN ('reject', 'skip')),
    ADD COLUMN refused integer NOT NULL DEFAULT 0,
    ADD COLUMN error jsonb,
    ADD COLUMN tries integer NOT NULL DEFAULT 0,
    ADD COLUMN retry_of uuid REFERENCES factory.batches,
    ADD COLUMN seq bigint NOT NULL DEFAULT 1,
    ADD COLUMN waiting integer NOT NULL DEFAULT 0,
    ADD COLUMN queued integer NOT NULL DEFAULT 0,
    ADD COLUMN in_progress integer NOT NULL DEFAULT 0,
    ADD COLUMN completed integer NOT NULL DEFAULT 0,
    ADD COLUMN failed integer NOT NULL DEFAULT 0,
    ADD COLUMN cancelled integer NOT NULL DEFAULT 0,
    ADD COLUMN expired integer NOT NULL DEFAULT 0,
    ADD COLUMN cost_usd numeric NOT NULL DEFAULT 0,
    ADD COLUMN unpriced integer NOT NULL DEFAULT 0;
COMMENT ON TABLE factory.batches IS 'Jobs that were submitted together. Counts follow the jobs in the same transaction.';
COMMENT ON COLUMN factory.batches.state IS 'validating: its lines are stored and being read, no job is made yet. failed: they were refused.';
COMMENT ON COLUMN factory.batches.finished_at IS 'Set once: by the transaction that ends the last job, or that refuses or cancels the lines.';
COMMENT ON COLUMN factory.batches.total IS 'Its jobs; lines while it is validating or when they were refused.';
COMMENT ON COLUMN factory.batches.refused IS 'Lines that made no job.';
COMMENT ON COLUMN factory.batches.tries IS 'How often its lines were begun to be read: processes that die of them do so only so often.';
COMMENT ON COLUMN factory.batches.seq IS 'Grows with every transaction that changes a state of its jobs.';
COMMENT ON COLUMN factory.batches.cost_usd IS 'Of its jobs that are over and whose cost is known; unpriced counts the others.';
CREATE INDEX batches_validating ON factory.batches (id) WHERE state = 'validating';

CREATE TABLE factory.batch_lines (
    batch_id uuid NOT NULL,
    line integer NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (batch_id, line)
);
COMMENT ON TABLE factory.batch_lines IS 'Lines as they were sent, until they are jobs. Those without a batch are of an upload that is under way, or broke off.';

CREATE TABLE factory.batch_errors (
    batch_id uuid NOT NULL REFERENCES factory.batches ON DELETE CASCADE,
    line integer NOT NULL,
    problems jsonb NOT NULL,
    PRIMARY KEY (batch_id, line)
);
COMMENT ON TABLE factory.batch_errors IS 'What was wrong with lines that made no job.';

-- Can no longer change its state.
CREATE FUNCTION factory.is_over(state text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('completed', 'failed', 'cancelled', 'expired')
$$;

UPDATE factory.batches AS batch SET
    waiting = counts.waiting, queued = counts.queued, in_progress = counts.in_progress, completed = counts.completed,
    failed = counts.failed, cancelled = counts.cancelled, expired = counts.expired,
    cost_usd = counts.cost_usd, unpriced = counts.unpriced, seq = counts.seq,
    finished_at = CASE WHEN counts.ended = batch.total THEN counts.finished_at END,
    state = CASE WHEN counts.ended < batch.total THEN 'in_progress'
        WHEN batch.cancelled_at IS NOT NULL THEN 'cancelled' ELSE 'completed' END
FROM (
    SELECT
        batch_id,
        count(*) FILTER (WHERE state = 'waiting') AS waiting,
        count(*) FILTER (WHERE state = 'queued') AS queued,
        count(*) FILTER (WHERE state IN ('in_progress', 'cancelling')) AS in_progress,
        count(*) FILTER (WHERE state = 'completed') AS completed,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE state = 'expired') AS expired,
        coalesce(sum(cost) FILTER (WHERE factory.is_over(state)), 0) AS cost_usd,
        count(*) FILTER (WHERE factory.is_over(state) AND cost IS NULL) AS unpriced,
        sum(seq) AS seq,
        count(*) FILTER (WHERE factory.is_over(state)) AS ended,
        max(finished_at) AS finished_at
    FROM factory.jobs WHERE batch_id IS NOT NULL GROUP BY batch_id
) AS counts
WHERE counts.batch_id = batch.id;

-- A batch is over when its last job is. This is the one place where that is decided: whoever wants to do something
-- then watches `finished_at` become not null.
CREATE FUNCTION factory.close_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.completed + NEW.failed + NEW.cancelled + NEW.expired >= NEW.total THEN
        NEW.state := CASE WHEN NEW.cancelled_at IS NULL THEN 'completed' ELSE 'cancelled' END;
        NEW.finished_at := now();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER close_batch BEFORE UPDATE ON factory.batches
    FOR EACH ROW WHEN (NEW.state = 'in_progress') EXECUTE FUNCTION factory.close_batch();

-- Every statement that changes jobs notes what that means for their batches, for this transaction alone. At its commit,
-- the notes are added to the batches' rows: a row is locked by whoever commits, and nobody who holds it waits for a
-- job. So those who finish jobs of one batch wait for each other's commits and no longer, the last of them sees what
-- the others did, and there is no circle of locks.
CREATE TYPE factory.batch_change AS (
    batch_id uuid, waiting integer, queued integer, in_progress integer, completed integer, failed integer,
    cancelled integer, expired integer, cost_usd numeric, unpriced integer
);
CREATE FUNCTION factory.noted_batch_changes() RETURNS SETOF factory.batch_change LANGUAGE sql VOLATILE AS $$
    SELECT * FROM jsonb_populate_recordset(
        NULL::factory.batch_change, coalesce(nullif(current_setting('factory.batch_changes', true), ''), '[]')::jsonb
    )
$$;
CREATE FUNCTION factory.note_batch_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changes jsonb;
BEGIN
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
CREATE TRIGGER note_batch_changes AFTER UPDATE ON factory.jobs
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION factory.note_batch_changes();

CREATE FUNCTION factory.count_batch_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change factory.batch_change;
BEGIN
    IF coalesce(current_setting('factory.batch_changes', true), '') = '' THEN RETURN NULL; END IF;
    FOR change IN SELECT * FROM factory.noted_batch_changes() ORDER BY batch_id LOOP
        UPDATE factory.batches AS batch SET
            seq = batch.seq + 1,
            waiting = batch.waiting + coalesce(change.waiting, 0),
            queued = batch.queued + coalesce(change.queued, 0),
            in_progress = batch.in_progress + coalesce(change.in_progress, 0),
            completed = batch.completed + coalesce(change.completed, 0),
            failed = batch.failed + coalesce(change.failed, 0),
            cancelled = batch.cancelled + coalesce(change.cancelled, 0),
            expired = batch.expired + coalesce(change.expired, 0),
            cost_usd = batch.cost_usd + coalesce(change.cost_usd, 0),
            unpriced = batch.unpriced + coalesce(change.unpriced, 0)
        WHERE batch.id = change.batch_id;
    END LOOP;
    PERFORM set_config('factory.batch_changes', '', true);
    RETURN NULL;
END $$;
-- The first of a transaction's changed jobs counts them all; the others find nothing left.
CREATE CONSTRAINT TRIGGER count_batch_changes AFTER UPDATE ON factory.jobs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.batch_id IS NOT NULL AND (OLD.state IS DISTINCT FROM NEW.state OR OLD.cost IS DISTINCT FROM NEW.cost))
    EXECUTE FUNCTION factory.count_batch_changes();

-- Whoever is done is looked up in it at once, again and again: nothing may lie on a heap that each look has to go through.
ALTER INDEX factory.jobs_waiting SET (fastupdate = off);
SELECT gin_clean_pending_list('factory.jobs_waiting');

-- As before, without joining the changed jobs with themselves, which took the square of their number.
CREATE OR REPLACE FUNCTION factory.tell_of_ends() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[];
BEGIN
    SELECT array_agg(job.id) INTO ended
    FROM new_jobs AS job
    WHERE job.finished_at IS NOT NULL
        AND job.id NOT IN (SELECT before.id FROM old_jobs AS before WHERE before.finished_at IS NOT NULL)
        AND (job.webhook_url IS NOT NULL
            OR job.project_id IN (SELECT hook.project_id FROM factory.webhook_endpoints AS hook WHERE hook.active));
    IF ended IS NOT NULL THEN PERFORM factory.tell_ended(ended); END IF;
    RETURN NULL;
END $$;
