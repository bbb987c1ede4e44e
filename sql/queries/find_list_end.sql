SELECT id
FROM factory.jobs
WHERE ($1::uuid IS NULL OR id < $1::uuid)
    AND ($2::uuid IS NULL OR project_id = $2::uuid)
    AND ($3::text[] IS NULL OR state = ANY($3::text[]))
    -- said once more in the words of the indexes of jobs that are not over
    AND (
        coalesce(NOT $3::text[] <@ ARRAY['waiting', 'queued', 'in_progress', 'cancelling'], true)
        OR state = 'waiting' OR state = 'queued' OR state IN ('in_progress', 'cancelling')
    )
    AND ($4::uuid IS NULL OR batch_id = $4::uuid)
ORDER BY id DESC
OFFSET $5::integer - 1
LIMIT 1
