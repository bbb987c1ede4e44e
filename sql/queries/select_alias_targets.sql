SELECT alias, project_id, provider, model_id, position, weight, parameters, active
FROM factory.alias_targets
ORDER BY alias, project_id, position, provider, model_id
