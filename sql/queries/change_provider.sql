UPDATE factory.providers AS old SET (
    name, active, regions, limits
) = (
    SELECT
        name, active, regions, limits
    FROM jsonb_populate_record(old, $2::jsonb)
)
WHERE id = $1::text
RETURNING id
