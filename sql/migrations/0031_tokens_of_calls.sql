-- What a call counts as against limits of tokens a minute: the number of workers follows it.

ALTER TABLE factory.call_figures ADD COLUMN tokens_mean double precision;
COMMENT ON COLUMN factory.call_figures.tokens_mean IS 'Of prompt and answer together, as limits of tokens a minute count them.';
