-- Limits of one endpoint, beside those of its whole provider.

ALTER TABLE factory.provider_endpoints
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object');
COMMENT ON COLUMN factory.provider_endpoints.limits IS
    'requests_per_minute, tokens_per_minute, concurrency of this endpoint; the provider''s hold beside them.';

SELECT factory.demand('provider_endpoints', 'provider_endpoints_limits_numbers',
    $$NOT jsonb_path_exists(limits, 'strict $.* ? (@.type() != "number" || @ <= 0)')$$);
