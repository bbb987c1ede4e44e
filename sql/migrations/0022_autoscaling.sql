-- What the number of workers follows: how long a job holds a slot, and how many came in each quarter of an hour.

ALTER TABLE factory.call_figures ADD COLUMN slot_ms_mean double precision;
COMMENT ON COLUMN factory.call_figures.slot_ms_mean IS 'From the first of a job''s calls to the end of its last, in one attempt: a narration has many, beside each other.';

CREATE TABLE factory.arrivals (
    quarter timestamptz NOT NULL,
    kind text NOT NULL,
    jobs integer NOT NULL CHECK (jobs >= 0),
    busiest integer NOT NULL CHECK (busiest >= 0),
    PRIMARY KEY (quarter, kind)
);
COMMENT ON TABLE factory.arrivals IS 'Jobs that came for workers, by quarters of an hour: what a forecast goes by. Kept for nine weeks; a quarter without a row had none.';
COMMENT ON COLUMN factory.arrivals.jobs IS 'Without those that the cache answered at once.';
COMMENT ON COLUMN factory.arrivals.busiest IS 'Jobs in its busiest minute: many come in waves.';
