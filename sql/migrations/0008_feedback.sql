-- What callers think of answers, and the index that finds the calls of an experiment.

-- The newest word on a job counts, so a job has one. Rows that break the rules can only have been written by hand.
DELETE FROM factory.feedback AS older USING factory.feedback AS newer
WHERE older.job_id = newer.job_id AND (older.created_at, older.id) < (newer.created_at, newer.id);
DELETE FROM factory.feedback AS orphan WHERE NOT EXISTS (SELECT FROM factory.jobs AS job WHERE job.id = orphan.job_id);

DROP INDEX factory.feedback_of_job;
CREATE UNIQUE INDEX feedback_of_job ON factory.feedback (job_id);
ALTER TABLE factory.feedback
    ADD CONSTRAINT feedback_job_id_fkey FOREIGN KEY (job_id) REFERENCES factory.jobs ON DELETE CASCADE;
SELECT
    factory.demand('feedback', 'feedback_says_something', 'num_nonnulls(score, label) > 0'),
    factory.demand('feedback', 'feedback_score_in_scale', 'score BETWEEN 0 AND 1'),
    factory.demand('feedback', 'feedback_label_length', $$char_length(label) BETWEEN 1 AND 64 AND btrim(label) <> ''$$);
COMMENT ON TABLE factory.feedback IS 'What the caller thinks of the answer of a completed job. Given again, it replaces what was there.';
COMMENT ON COLUMN factory.feedback.score IS '0 to 1, more is better: thumbs are 0 and 1, stars n/5.';
COMMENT ON COLUMN factory.feedback.created_at IS 'When it was given last.';

CREATE INDEX calls_of_experiment ON factory.calls (project_id, alias, started_at) WHERE variant IS NOT NULL;
