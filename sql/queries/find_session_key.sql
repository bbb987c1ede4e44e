SELECT prefix
FROM factory.api_keys
WHERE id = $1::uuid AND project_id IS NULL AND 'admin' = ANY(scopes)
    AND revoked_at IS NULL
    AND (expires_at IS NULL OR expires_at > coalesce($3::timestamptz, now()))
    AND NOT EXISTS (SELECT FROM factory.ended_sessions AS ended WHERE ended.id = $2::uuid)
