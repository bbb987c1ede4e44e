SELECT
    alias.alias, project.name AS project, alias.strategy, alias.on_content_policy, alias.latency_bound_ms,
    alias.split_by, alias.description, alias.revision,
    coalesce(
        jsonb_agg(
            jsonb_build_object(
                'provider', target.provider, 'model_id', target.model_id, 'position', target.position,
                'weight', target.weight, 'parameters', target.parameters, 'active', target.active
            ) ORDER BY target.position, target.provider, target.model_id
        ) FILTER (WHERE target.model_id IS NOT NULL),
        '[]'
    ) AS targets
FROM factory.aliases AS alias
LEFT JOIN factory.projects AS project ON project.id = alias.project_id
LEFT JOIN factory.alias_targets AS target
    ON target.alias = alias.alias AND target.project_id IS NOT DISTINCT FROM alias.project_id
WHERE ($1::text IS NULL OR alias.alias = $1::text)
    AND ($2::boolean OR alias.project_id IS NOT DISTINCT FROM $3::uuid)
GROUP BY alias.alias, alias.project_id, project.name, alias.strategy, alias.on_content_policy, alias.latency_bound_ms,
    alias.split_by, alias.description, alias.revision
ORDER BY alias.alias, project.name NULLS FIRST
