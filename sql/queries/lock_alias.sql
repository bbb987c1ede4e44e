SELECT revision FROM factory.aliases
WHERE alias = $1::text AND project_id IS NOT DISTINCT FROM $2::uuid
FOR UPDATE
