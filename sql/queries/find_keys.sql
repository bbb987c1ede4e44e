SELECT
    key.id, key.prefix, key.name, project.name AS project, key.scopes, key.created_at, key.expires_at, key.revoked_at,
    key.last_used_at
FROM factory.api_keys AS key
LEFT JOIN factory.projects AS project ON project.id = key.project_id
WHERE key.prefix = $1::text OR key.id::text = lower($1::text)
ORDER BY key.created_at
