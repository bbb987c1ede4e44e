-- The queue over time, for people who look at it.

CREATE TABLE factory.queue_samples (
    at timestamptz NOT NULL DEFAULT now(),
    pool text NOT NULL,
    ready integer NOT NULL,
    running integer NOT NULL,
    oldest_s double precision,
    PRIMARY KEY (at, pool)
);
COMMENT ON TABLE factory.queue_samples IS 'How long the line was, every few seconds, for two days.';
COMMENT ON COLUMN factory.queue_samples.oldest_s IS 'For how long the job that waits longest had been queued; NULL: none waited.';
