UPDATE factory.models SET active = false WHERE provider = 'google' AND model_id = 'gemini-3.5-flash-lite';
