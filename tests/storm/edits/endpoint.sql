INSERT INTO factory.provider_endpoints (id, provider, base_url, handler_function, model_pattern, priority, credential)
VALUES ('00000000-0000-4000-8000-000000000001', 'google', :'emulator' || '/google', 'google.generate_content', 'gemini-3.5-flash-lite', 1, 'env:STORM_KEY');
UPDATE factory.provider_endpoints SET model_pattern = model_pattern || ' !gemini-3.5-flash-lite'
WHERE provider = 'google' AND id <> '00000000-0000-4000-8000-000000000001';
