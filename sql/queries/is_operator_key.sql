SELECT EXISTS (
    SELECT FROM factory.api_keys
    WHERE key_hash = $1::bytea AND project_id IS NULL AND 'admin' = ANY (scopes) AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > now())
)
