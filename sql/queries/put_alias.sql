INSERT INTO factory.aliases (alias, project_id, strategy, on_content_policy, latency_bound_ms, split_by, description)
SELECT $1::text, $2::uuid, strategy, on_content_policy, latency_bound_ms, split_by, description
FROM jsonb_populate_record(NULL::factory.aliases, $3::jsonb)
ON CONFLICT (alias, project_id) DO UPDATE SET
    strategy = EXCLUDED.strategy, on_content_policy = EXCLUDED.on_content_policy,
    latency_bound_ms = EXCLUDED.latency_bound_ms, split_by = EXCLUDED.split_by, description = EXCLUDED.description
