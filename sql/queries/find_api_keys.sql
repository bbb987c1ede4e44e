SELECT
    key.key_hash, key.id, key.prefix, key.project_id, key.scopes, project.name AS project_name, project.active AS project_active,
    key.last_used_at IS NULL OR key.last_used_at < now() - interval '1 minute' AS seems_unused
FROM factory.api_keys AS key
LEFT JOIN factory.projects AS project ON project.id = key.project_id
WHERE key.key_hash = ANY ($1::bytea[])
    AND key.revoked_at IS NULL
    AND (key.expires_at IS NULL OR key.expires_at > coalesce($2::timestamptz, now()))
