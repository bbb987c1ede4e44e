UPDATE factory.provider_endpoints AS old SET (
    provider, base_url, endpoint_pattern, handler_function, model_pattern, credential, region, priority, active,
    limits
) = (
    SELECT
        provider, base_url, endpoint_pattern, handler_function, model_pattern, credential, region, priority, active,
        limits
    FROM jsonb_populate_record(old, $2::jsonb)
)
WHERE id = $1::uuid
RETURNING id
