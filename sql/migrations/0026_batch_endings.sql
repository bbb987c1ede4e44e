-- Wrong lines of a file go to its error file, under their custom_id.

ALTER TABLE factory.batch_errors ADD COLUMN key text;
COMMENT ON COLUMN factory.batch_errors.key IS 'Of the line, where it has one of its own that can be read.';

CREATE OR REPLACE VIEW factory.shown_files AS
SELECT
    file.id, file.project_id, file.purpose, file.filename, file.bytes, file.storage_key, file.batch_id, file.part,
    coalesce(batch.finished_at, file.created_at) AS created_at,
    coalesce(file.expires_at, batch.finished_at + make_interval(secs => asked.output_life_s)) AS expires_at
FROM factory.files AS file
LEFT JOIN factory.batches AS batch ON batch.id = file.batch_id
LEFT JOIN factory.openai_batches AS asked ON asked.batch_id = file.batch_id
WHERE file.batch_id IS NULL OR (batch.finished_at IS NOT NULL AND batch.state <> 'failed' AND CASE file.part
    WHEN 'output' THEN batch.completed > 0 ELSE batch.failed + batch.cancelled + batch.expired + batch.refused > 0 END);

-- `batch.completed` is written down by whatever sets `finished_at`, in the same transaction: also by a refusal, and by a
-- cancellation before there were jobs. `finished_at` is set once.
CREATE FUNCTION factory.tell_of_batch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH listening AS (
        SELECT hook.id, hook.url FROM factory.webhook_endpoints AS hook
        WHERE hook.project_id = NEW.project_id AND hook.active AND 'batch.completed' = ANY (hook.events)
        ORDER BY hook.id FOR KEY SHARE
    )
    INSERT INTO factory.webhook_deliveries (id, project_id, endpoint_id, batch_id, type, url)
    SELECT factory.new_id(), NEW.project_id, hook.id, NEW.id, 'batch.completed', hook.url FROM listening AS hook;
    RETURN NULL;
END $$;

-- Those that nobody had looked at yet.
INSERT INTO factory.webhook_deliveries (id, project_id, endpoint_id, batch_id, type, url)
SELECT factory.new_id(), batch.project_id, hook.id, batch.id, 'batch.completed', hook.url
FROM factory.batches AS batch JOIN factory.webhook_endpoints AS hook
    ON hook.project_id = batch.project_id AND hook.active AND 'batch.completed' = ANY (hook.events)
WHERE batch.finished_at IS NOT NULL AND batch.told_at IS NULL
    AND batch.id IN (SELECT batch_id FROM factory.webhook_batch_checks);

CREATE TRIGGER tell_of_batch AFTER UPDATE ON factory.batches
    FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION factory.tell_of_batch();

CREATE OR REPLACE FUNCTION factory.tell_ended(ended uuid[]) RETURNS void LANGUAGE sql AS $$
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
    FROM factory.jobs AS job WHERE job.id = ANY (ended) AND job.webhook_url IS NOT NULL
$$;
DROP TABLE factory.webhook_batch_checks;
ALTER TABLE factory.batches DROP COLUMN told_at;

-- Batches that wait for the limits of their project.

CREATE TABLE factory.batch_admissions (
    batch_id uuid PRIMARY KEY REFERENCES factory.batches ON DELETE CASCADE,
    requests bigint NOT NULL,
    tokens bigint NOT NULL,
    admitted_requests bigint NOT NULL DEFAULT 0,
    admitted_tokens bigint NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE factory.batch_admissions IS 'Of batches that are read and larger than what their project''s limits admit at once: what they ask for in all, and what was taken for them so far. Gone when the batch is accepted, refused or cancelled.';
