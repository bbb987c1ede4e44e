INSERT INTO factory.providers (
    id, name, active, regions, limits
)
SELECT
    id, name, active, regions, limits
FROM jsonb_populate_record(NULL::factory.providers, $1::jsonb)
RETURNING id
