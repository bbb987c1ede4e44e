-- Experiments and the schema guarantee: what is split by what, and how an answer came to be valid.

ALTER TABLE factory.aliases ADD COLUMN split_by text NOT NULL DEFAULT 'project'
    CHECK (split_by IN ('project', 'job') OR split_by ~ '^metadata\..');
COMMENT ON COLUMN factory.aliases.split_by IS 'Under the strategy weighted, what always draws the same target: project, job, or metadata.KEY of the request.';

ALTER TABLE factory.calls
    ADD COLUMN asked text CHECK (asked IN ('native', 'prompt', 'repair')),
    ADD COLUMN schema_outcome text CHECK (schema_outcome IN ('valid', 'mended', 'invalid'));
COMMENT ON COLUMN factory.calls.asked IS 'Where a JSON schema was asked for, how: by the provider''s own means, in the prompt, or once more with the errors.';
COMMENT ON COLUMN factory.calls.schema_outcome IS 'Whether the answer satisfied the caller''s schema: as it came, mended without a call, or not.';
COMMENT ON COLUMN factory.calls.variant IS 'Under the strategy weighted, the target that was drawn, also where a failover answered.';
