-- Webhooks. What is to be told, and to whom, is written down in the transaction that ends a job.

ALTER TABLE factory.webhook_endpoints
    ADD COLUMN include_content boolean NOT NULL DEFAULT false,
    ADD COLUMN secret_number integer NOT NULL DEFAULT 1,
    ADD COLUMN secret_digest bytea,
    ADD COLUMN old_secret_number integer,
    ADD COLUMN old_secret_until timestamptz,
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN disabled_reason text;
COMMENT ON TABLE factory.webhook_endpoints IS 'Where a project wants to hear of its jobs and batches.';
COMMENT ON COLUMN factory.webhook_endpoints.secret_number IS 'The secret is derived from FACTORY_SECRET_KEY, the id and this number; it is stored nowhere.';
COMMENT ON COLUMN factory.webhook_endpoints.secret_digest IS 'SHA-256 of the secret: a worker whose FACTORY_SECRET_KEY is another one must not sign.';
COMMENT ON COLUMN factory.webhook_endpoints.old_secret_number IS 'During a rotation: the secret before, which signs too until old_secret_until.';
COMMENT ON COLUMN factory.webhook_endpoints.failing_since IS 'The first failure since the last success.';
COMMENT ON COLUMN factory.webhook_endpoints.disabled_reason IS 'Why the factory switched it off.';
CREATE INDEX webhook_endpoints_of_project ON factory.webhook_endpoints (project_id);

CREATE TABLE factory.webhook_secrets (
    project_id uuid PRIMARY KEY REFERENCES factory.projects ON DELETE CASCADE,
    secret_number integer NOT NULL DEFAULT 1,
    secret_digest bytea NOT NULL,
    old_secret_number integer,
    old_secret_until timestamptz
);
COMMENT ON TABLE factory.webhook_secrets IS 'Secrets of projects for the webhook_url of their jobs, as those of endpoints; written when a secret is shown.';

ALTER TABLE factory.jobs ADD COLUMN webhook_url text;
COMMENT ON COLUMN factory.jobs.webhook_url IS 'Hears of this job''s end, beside the endpoints of its project.';

ALTER TABLE factory.webhook_deliveries
    ADD COLUMN leased_until timestamptz,
    ADD COLUMN log jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN lane uuid NOT NULL GENERATED ALWAYS AS (coalesce(endpoint_id, project_id)) STORED;
COMMENT ON TABLE factory.webhook_deliveries IS 'The outbox of webhooks: one row for each event and receiver.';
COMMENT ON COLUMN factory.webhook_deliveries.attempts IS 'Tries of the present schedule; asking for a new delivery begins it again.';
COMMENT ON COLUMN factory.webhook_deliveries.leased_until IS 'Until then a worker is at it. A worker that dies leaves the delivery to others.';
COMMENT ON COLUMN factory.webhook_deliveries.log IS 'Every try: at, status, duration_ms, the beginning of the answer, or the error.';
COMMENT ON COLUMN factory.webhook_deliveries.lane IS 'Deliveries of a lane share a few places, so that a slow receiver holds up its own alone.';
DROP INDEX factory.webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON factory.webhook_deliveries (lane, next_at)
    WHERE delivered_at IS NULL AND failed_at IS NULL;
CREATE INDEX webhook_deliveries_leased ON factory.webhook_deliveries (lane)
    WHERE leased_until IS NOT NULL AND delivered_at IS NULL AND failed_at IS NULL;
CREATE INDEX webhook_deliveries_over ON factory.webhook_deliveries (created_at)
    WHERE delivered_at IS NOT NULL OR failed_at IS NOT NULL;
CREATE INDEX webhook_deliveries_of_project ON factory.webhook_deliveries (project_id, id DESC);
CREATE INDEX webhook_deliveries_of_endpoint ON factory.webhook_deliveries (endpoint_id, id DESC);

ALTER TABLE factory.batches ADD COLUMN told_at timestamptz;
COMMENT ON COLUMN factory.batches.told_at IS 'When batch.completed went to the endpoints that wanted it.';
CREATE TABLE factory.webhook_batch_checks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id uuid NOT NULL
);
COMMENT ON TABLE factory.webhook_batch_checks IS 'Batches of which jobs have ended. Who looks after the commit sees whether it was the last: two that end the last two jobs at the same moment do not see each other.';

-- A uuid v7: its order is the order of creation, within a millisecond.
CREATE FUNCTION factory.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$;

-- An endpoint that is being deleted is waited for, and then hears nothing.
CREATE FUNCTION factory.tell_ended(ended uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH listening AS (
        SELECT hook.id, hook.project_id, hook.url, hook.events FROM factory.webhook_endpoints AS hook
        WHERE hook.active AND hook.project_id IN (SELECT job.project_id FROM factory.jobs AS job WHERE job.id = ANY (ended))
        ORDER BY hook.id FOR KEY SHARE
    )
    INSERT INTO factory.webhook_deliveries (id, project_id, endpoint_id, job_id, batch_id, type, url)
    SELECT factory.new_id(), job.project_id, hook.id, job.id, job.batch_id, 'job.' || job.state, hook.url
    FROM factory.jobs AS job JOIN listening AS hook
        ON hook.project_id = job.project_id AND 'job.' || job.state = ANY (hook.events)
    WHERE job.id = ANY (ended)
    UNION ALL
    SELECT factory.new_id(), job.project_id, NULL, job.id, job.batch_id, 'job.' || job.state, job.webhook_url
    FROM factory.jobs AS job WHERE job.id = ANY (ended) AND job.webhook_url IS NOT NULL;
    INSERT INTO factory.webhook_batch_checks (batch_id)
    SELECT DISTINCT job.batch_id
    FROM factory.jobs AS job JOIN factory.webhook_endpoints AS hook
        ON hook.project_id = job.project_id AND hook.active AND 'batch.completed' = ANY (hook.events)
    WHERE job.id = ANY (ended) AND job.batch_id IS NOT NULL;
END $$;

CREATE FUNCTION factory.tell_of_ends() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended uuid[];
BEGIN
    SELECT array_agg(job.id) INTO ended
    FROM new_jobs AS job JOIN old_jobs AS before USING (id)
    WHERE job.finished_at IS NOT NULL AND before.finished_at IS NULL
        AND (job.webhook_url IS NOT NULL
            OR job.project_id IN (SELECT hook.project_id FROM factory.webhook_endpoints AS hook WHERE hook.active));
    IF ended IS NOT NULL THEN PERFORM factory.tell_ended(ended); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_ends AFTER UPDATE ON factory.jobs
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION factory.tell_of_ends();

CREATE FUNCTION factory.tell_of_answered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.webhook_url IS NOT NULL
        OR EXISTS (SELECT FROM factory.webhook_endpoints AS hook WHERE hook.project_id = NEW.project_id AND hook.active)
    THEN PERFORM factory.tell_ended(ARRAY[NEW.id]); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_of_answered AFTER INSERT ON factory.jobs
    FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION factory.tell_of_answered();
