SELECT alias, project_id, strategy, on_content_policy, latency_bound_ms, revision, split_by FROM factory.aliases
