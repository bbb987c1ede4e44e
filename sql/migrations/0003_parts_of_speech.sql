-- Parts of a narration are found again by what they say: a crash, an edit or a repeat buys only what is missing.
-- No part was written before this, so the table is made anew.

DROP TABLE factory.job_parts;

CREATE TABLE factory.job_parts (
    job_id uuid NOT NULL REFERENCES factory.jobs ON DELETE CASCADE,
    text_hash bytea NOT NULL,
    n integer NOT NULL,
    project_id uuid NOT NULL REFERENCES factory.projects ON DELETE CASCADE,
    endpoint_id uuid,
    provider text NOT NULL,
    model text NOT NULL,
    storage_key text NOT NULL,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    duration_s double precision NOT NULL,
    words jsonb,
    usage jsonb NOT NULL,
    cost numeric,
    found boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, text_hash)
);
COMMENT ON TABLE factory.job_parts IS 'Finished pieces of speech, so that none is bought twice.';
COMMENT ON COLUMN factory.job_parts.text_hash IS 'Hash of all that makes the sound: text, context, model, voice, settings.';
COMMENT ON COLUMN factory.job_parts.found IS 'It was not bought for this job: an earlier one had it.';
CREATE INDEX job_parts_by_sound ON factory.job_parts (project_id, text_hash, created_at DESC);
CREATE INDEX job_parts_by_storage ON factory.job_parts (storage_key);

CREATE TABLE factory.batch_voices (
    batch_id uuid NOT NULL REFERENCES factory.batches ON DELETE CASCADE,
    name text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    PRIMARY KEY (batch_id, name)
);
COMMENT ON TABLE factory.batch_voices IS 'Who spoke first in a batch: narrations with voice_policy keep stay there.';
COMMENT ON COLUMN factory.batch_voices.name IS 'Alias or model and voice as the requests have them.';
