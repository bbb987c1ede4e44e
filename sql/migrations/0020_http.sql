-- Project streams, deletion of content, and how long calls take.

CREATE INDEX jobs_by_change ON factory.jobs (project_id, (greatest(created_at, started_at, finished_at)), id);

ALTER TABLE factory.jobs ADD COLUMN content_deleted_at timestamptz;
COMMENT ON COLUMN factory.jobs.content_deleted_at IS
    'When request, answer and metadata were deleted; the row and its ledger lines stay.';
CREATE INDEX jobs_with_content ON factory.jobs (project_id, finished_at)
    WHERE finished_at IS NOT NULL AND content_deleted_at IS NULL;

ALTER TABLE factory.call_figures ADD COLUMN duration_ms_mean double precision;
COMMENT ON COLUMN factory.call_figures.duration_ms_mean IS 'How long good calls took; what eta_s goes by.';
