UPDATE factory.model_prices AS old SET (
    input_usd_per_mtok, output_usd_per_mtok, cached_input_usd_per_mtok, cache_write_usd_per_mtok,
    cache_write_1h_usd_per_mtok, audio_usd_per_mchar, batch_discount, threshold_tokens,
    threshold_input_usd_per_mtok, threshold_output_usd_per_mtok, threshold_cached_input_usd_per_mtok,
    threshold_cache_write_usd_per_mtok, threshold_cache_write_1h_usd_per_mtok,
    regional_surcharge, service_tiers, source
) = (
    SELECT
        input_usd_per_mtok, output_usd_per_mtok, cached_input_usd_per_mtok, cache_write_usd_per_mtok,
        cache_write_1h_usd_per_mtok, audio_usd_per_mchar, batch_discount, threshold_tokens,
        threshold_input_usd_per_mtok, threshold_output_usd_per_mtok, threshold_cached_input_usd_per_mtok,
        threshold_cache_write_usd_per_mtok, threshold_cache_write_1h_usd_per_mtok,
        regional_surcharge, service_tiers, source
    FROM jsonb_populate_record(old, $4::jsonb)
)
WHERE provider = $1::text AND model_id = $2::text AND valid_from = $3::timestamptz
RETURNING provider, model_id, valid_from
