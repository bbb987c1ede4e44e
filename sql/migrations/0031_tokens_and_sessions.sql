-- What a call counts as against limits of tokens a minute, which the number of workers follows; and sessions of the
-- dashboard that were ended before their time.

ALTER TABLE factory.call_figures ADD COLUMN tokens_mean double precision;
COMMENT ON COLUMN factory.call_figures.tokens_mean IS 'Of prompt and answer together, as limits of tokens a minute count them.';

CREATE TABLE factory.ended_sessions (
    id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE factory.ended_sessions IS 'Sessions of the dashboard that somebody signed out of: their cookies open nothing any more. Kept until they would have expired.';
