SELECT
    id, name, active, regions, limits
FROM factory.providers
WHERE ($1::text IS NULL OR id = $1::text)
ORDER BY id
