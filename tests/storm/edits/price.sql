INSERT INTO factory.model_prices (provider, model_id, input_usd_per_mtok, output_usd_per_mtok)
VALUES ('openai', 'gpt-6-luna', 0.11, 0.77);
