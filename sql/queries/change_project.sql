UPDATE factory.projects AS old SET (
    name, active, weight, paused, settings
) = (
    SELECT
        name, active, weight, paused, settings
    FROM jsonb_populate_record(old, $2::jsonb)
)
WHERE name = $1::text
RETURNING name
