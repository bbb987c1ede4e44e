-- What an operator writes to have the provider served. $1 is where it listens.
WITH endpoint AS (
    INSERT INTO factory.provider_endpoints (provider, base_url, handler_function, model_pattern, credential)
    VALUES ('lorelei', $1, 'lorelei.compose', '* !*-map-*', 'file:' || $2),
        ('lorelei', $1, 'lorelei.embed', '*-map-*', 'file:' || $2)
    RETURNING id
), model AS (
    INSERT INTO factory.models (provider, model_id, kind, context_window, capabilities, parameters)
    VALUES ('lorelei', 'lorelei-2', 'text', 100000, '["text", "vision", "tools", "json_schema"]',
        '{"sampling": "effort_none_only", "stop": "yes", "effort": ["none", "low", "medium", "high"]}')
), price AS (
    INSERT INTO factory.model_prices (provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok)
    VALUES ('lorelei', 'lorelei-2', '2026-01-01', 2, 8)
)
INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('singer', 'lorelei', 'lorelei-2')
