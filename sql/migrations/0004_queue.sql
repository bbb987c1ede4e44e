-- The leased queue: hand-overs are checked in the order they were written, and work can be paused.

DROP INDEX factory.jobs_queued;
CREATE INDEX jobs_queued ON factory.jobs (queued_at, id) WHERE state = 'queued';
DROP INDEX factory.jobs_running;
CREATE INDEX jobs_running ON factory.jobs (id) WHERE state IN ('in_progress', 'cancelling');

ALTER TABLE factory.projects ADD COLUMN paused boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN factory.projects.paused IS 'Its queued jobs wait; running ones go on.';

CREATE TABLE factory.controls (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    paused boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE factory.controls IS 'What holds for everybody. paused: no job is started anywhere.';
INSERT INTO factory.controls DEFAULT VALUES;
SELECT factory.watch_config('controls');
