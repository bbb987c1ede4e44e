SELECT
    endpoint.id, endpoint.provider, endpoint.base_url, endpoint.endpoint_pattern, endpoint.handler_function,
    endpoint.model_pattern, endpoint.credential, endpoint.region, endpoint.priority, endpoint.active,
    coalesce(
        seeded.row_values ->> 'base_url' = endpoint.base_url
        AND seeded.row_values ->> 'handler_function' = endpoint.handler_function
        AND seeded.row_values ->> 'credential' IS NOT DISTINCT FROM endpoint.credential,
        false
    ) AS seeded,
    endpoint.limits
FROM factory.provider_endpoints AS endpoint
LEFT JOIN factory.seeded AS seeded
    ON seeded.table_name = 'provider_endpoints' AND seeded.row_key = jsonb_build_object('id', endpoint.id)
