DELETE FROM factory.models
WHERE provider = $1::text AND model_id = $2::text
    AND NOT EXISTS (SELECT FROM factory.alias_targets WHERE provider = $1::text AND model_id = $2::text)
RETURNING model_id
