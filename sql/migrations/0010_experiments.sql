-- What compares variants reads: only jobs and calls that drew one are in these indexes, the others pay nothing for
-- them. Ids of jobs sort by time, so a job stands in its time with all of its calls.

DROP INDEX factory.calls_of_experiment;
CREATE INDEX calls_of_experiment ON factory.calls (project_id, job_id, alias) WHERE variant IS NOT NULL;
CREATE INDEX jobs_of_experiment ON factory.jobs (project_id, id) INCLUDE (variant, state, started_at, finished_at)
    WHERE variant IS NOT NULL;
