WITH admitted AS (
    DELETE FROM factory.batch_admissions WHERE batch_id = $1::uuid
)
DELETE FROM factory.batch_lines WHERE batch_id = $1::uuid
