INSERT INTO factory.projects (
    name, active, weight, paused, settings
)
SELECT
    name, active, weight, paused, settings
FROM jsonb_populate_record(NULL::factory.projects, $1::jsonb)
RETURNING name
