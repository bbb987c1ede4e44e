-- What this platform's operator made of the shipped catalog: two names of its own.
-- `chapters` means gpt-6.2-sol, and whatever of these three is cheapest and answers soon enough is as good.
INSERT INTO factory.aliases (alias, strategy, latency_bound_ms, on_content_policy)
VALUES ('chapters', 'cheapest_within', 3000, 'fail'), ('recall', 'priority', NULL, 'fail');
INSERT INTO factory.alias_targets (alias, provider, model_id, position, parameters) VALUES
    ('chapters', 'openai', 'gpt-6.2-sol', 10, '{}'),
    ('chapters', 'google', 'gemini-3.8-flash', 20, '{}'),
    ('chapters', 'anthropic', 'claude-sonnet-5-5', 30, '{}'),
    ('recall', 'openai', 'text-embedding-3-small', 10, '{}'),
    ('recall', 'mistral', 'mistral-embed-2312', 20, '{}');
