SELECT
    id, name, active, weight, paused, settings, created_at
FROM factory.projects
WHERE ($1::text IS NULL OR name = $1::text)
ORDER BY name
