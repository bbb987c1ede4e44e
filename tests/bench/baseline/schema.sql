CREATE SCHEMA baseline;
CREATE TABLE baseline.jobs (
    id uuid PRIMARY KEY,
    status text NOT NULL DEFAULT 'queued',
    model text NOT NULL,
    prompt text NOT NULL,
    result text,
    error text,
    prompt_tokens integer,
    completion_tokens integer,
    cost numeric,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX ON baseline.jobs (status, created_at)
