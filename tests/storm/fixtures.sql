-- What the storm asks for: text on four providers, the same inside the EU, a voice on two.
INSERT INTO factory.aliases (alias, on_content_policy) VALUES ('storm', 'next'), ('storm-eu', 'next'), ('storm-voice', 'next');
INSERT INTO factory.alias_targets (alias, provider, model_id, position) VALUES
    ('storm', 'openai', 'gpt-6-luna', 10),
    ('storm', 'google', 'gemini-3.5-flash-lite', 20),
    ('storm', 'anthropic', 'claude-haiku-5-5', 30),
    ('storm', 'mistral', 'mistral-small-2603', 40),
    ('storm-eu', 'openai', 'gpt-6-luna', 10),
    ('storm-eu', 'mistral', 'mistral-small-2603', 20),
    ('storm-voice', 'openai', 'gpt-4o-mini-tts', 10),
    ('storm-voice', 'google', 'gemini-3.8-flash-tts', 20);
