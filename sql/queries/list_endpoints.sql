SELECT
    id, provider, base_url, endpoint_pattern, handler_function, model_pattern, credential, region, priority, active,
    limits
FROM factory.provider_endpoints
WHERE ($1::uuid IS NULL OR id = $1::uuid)
    AND ($2::text IS NULL OR provider = $2::text)
ORDER BY provider, priority, id
