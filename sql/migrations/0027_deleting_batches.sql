-- The content of a whole batch can be deleted, and none that a job elsewhere still needs.

ALTER TABLE factory.batches ADD COLUMN content_deleted_at timestamptz;
COMMENT ON COLUMN factory.batches.content_deleted_at IS
    'When name, metadata, wrong lines and the content of all its jobs were deleted; counts, costs and ledger lines stay.';

-- Whoever comes after a job may belong to another batch, or to none, when it is tried again.
CREATE INDEX jobs_that_need_others ON factory.jobs USING gin (after) WITH (fastupdate = off)
    WHERE after <> '{}' AND state IN ('waiting', 'queued', 'in_progress', 'cancelling');
