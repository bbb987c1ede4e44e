SELECT
    provider, model_id, valid_from, input_usd_per_mtok, output_usd_per_mtok, cached_input_usd_per_mtok,
    cache_write_usd_per_mtok, cache_write_1h_usd_per_mtok, audio_usd_per_mchar, batch_discount,
    threshold_tokens, threshold_input_usd_per_mtok, threshold_output_usd_per_mtok,
    threshold_cached_input_usd_per_mtok, threshold_cache_write_usd_per_mtok, threshold_cache_write_1h_usd_per_mtok,
    regional_surcharge, service_tiers
FROM factory.model_prices
