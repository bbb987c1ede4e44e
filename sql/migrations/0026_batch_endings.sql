-- Wrong lines of a file go to its error file, under their custom_id.

ALTER TABLE factory.batch_errors ADD COLUMN key text;
COMMENT ON COLUMN factory.batch_errors.key IS 'Of the line, where it has one that can be read.';

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
