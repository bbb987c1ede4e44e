-- What providers bill by beside tokens: the tier that served a call, and an hour's cache in a long prompt.

ALTER TABLE factory.model_prices
    ADD COLUMN threshold_cache_write_1h_usd_per_mtok numeric,
    ADD COLUMN service_tiers jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(service_tiers) = 'object');
COMMENT ON COLUMN factory.model_prices.service_tiers IS
    'Factor of all rates by the tier that the provider says it served: {"flex": 0.5, "priority": 2}. The cost of a tier that is not here is unknown.';

SELECT
    factory.demand('model_prices', 'model_prices_threshold_cache_write_1h_usd_per_mtok_finite',
        $$threshold_cache_write_1h_usd_per_mtok >= 0 AND threshold_cache_write_1h_usd_per_mtok < 'Infinity'$$),
    factory.demand('model_prices', 'model_prices_threshold_tokens_with_hour',
        'threshold_tokens IS NOT NULL OR threshold_cache_write_1h_usd_per_mtok IS NULL'),
    factory.demand('model_prices', 'model_prices_service_tiers_factors',
        $$NOT jsonb_path_exists(service_tiers, 'strict $.* ? (!(@.type() == "number" && @ > 0
            || @.type() == "string" && @ like_regex "^[0-9]{1,6}([.][0-9]{1,12})?$" && !(@ like_regex "^[0.]*$")))')$$);
