INSERT INTO factory.provider_endpoints (
    provider, base_url, endpoint_pattern, handler_function, model_pattern, credential, region, priority, active,
    limits
)
SELECT
    provider, base_url, endpoint_pattern, handler_function, model_pattern, credential, region, priority, active,
    limits
FROM jsonb_populate_record(NULL::factory.provider_endpoints, $1::jsonb)
RETURNING id
