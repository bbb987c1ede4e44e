-- A job's trace, where traces are on: what goes on elsewhere has its submit as parent.

ALTER TABLE factory.jobs ADD COLUMN traceparent text;
COMMENT ON COLUMN factory.jobs.traceparent IS 'Of the request that made it, as in the W3C header of that name; NULL where traces are off.';
