-- Files and batches as OpenAI's clients know them: what was uploaded, and what is rendered from a batch's jobs.

ALTER TABLE factory.files
    ALTER COLUMN bytes DROP NOT NULL,
    ALTER COLUMN storage_key DROP NOT NULL,
    ADD COLUMN batch_id uuid REFERENCES factory.batches ON DELETE CASCADE,
    ADD COLUMN part text CHECK (part IN ('output', 'error')),
    ADD CHECK ((batch_id IS NULL) = (part IS NULL)),
    ADD CHECK ((batch_id IS NULL) = (storage_key IS NOT NULL));
COMMENT ON TABLE factory.files IS 'Files of projects. An upload has its bytes in storage; a file of a batch has none: it is made of the jobs when it is fetched.';
COMMENT ON COLUMN factory.files.part IS 'output: the jobs that completed. error: those that ended otherwise.';
CREATE INDEX files_of_project ON factory.files (project_id, id DESC);
CREATE UNIQUE INDEX files_of_batch ON factory.files (batch_id, part) WHERE batch_id IS NOT NULL;

CREATE TABLE factory.openai_batches (
    batch_id uuid PRIMARY KEY REFERENCES factory.batches ON DELETE CASCADE,
    endpoint text NOT NULL,
    input_file_id uuid NOT NULL,
    cache text NOT NULL,
    expires_at timestamptz NOT NULL,
    output_life_s integer
);
COMMENT ON TABLE factory.openai_batches IS 'What batches made at /v1/batches say besides. Their lines stay in the file until they are jobs.';
COMMENT ON COLUMN factory.openai_batches.input_file_id IS 'May be deleted once the batch is in_progress.';
COMMENT ON COLUMN factory.openai_batches.expires_at IS 'The deadline of its jobs.';
COMMENT ON COLUMN factory.openai_batches.output_life_s IS 'How long after the end of the batch its files are kept; null is for ever.';
CREATE INDEX openai_batches_of_file ON factory.openai_batches (input_file_id);

CREATE VIEW factory.shown_files AS
SELECT
    file.id, file.project_id, file.purpose, file.filename, file.bytes, file.storage_key, file.batch_id, file.part,
    coalesce(batch.finished_at, file.created_at) AS created_at,
    coalesce(file.expires_at, batch.finished_at + make_interval(secs => asked.output_life_s)) AS expires_at
FROM factory.files AS file
LEFT JOIN factory.batches AS batch ON batch.id = file.batch_id
LEFT JOIN factory.openai_batches AS asked ON asked.batch_id = file.batch_id
WHERE file.batch_id IS NULL OR (batch.finished_at IS NOT NULL AND CASE file.part
    WHEN 'output' THEN batch.completed > 0 ELSE batch.failed + batch.cancelled + batch.expired > 0 END);
COMMENT ON VIEW factory.shown_files IS 'Those that there is something in; a batch has its files from its end on.';
