SELECT job.id
FROM factory.projects AS project
CROSS JOIN LATERAL (
    SELECT old.id FROM factory.jobs AS old
    WHERE old.project_id = project.id AND old.finished_at IS NOT NULL AND old.content_deleted_at IS NULL
        AND old.finished_at < coalesce($1::timestamptz, now())
            - make_interval(secs => 86400 * (project.settings ->> 'content_retention_days')::double precision)
    ORDER BY old.finished_at
    LIMIT $2::integer
) AS job
WHERE jsonb_typeof(project.settings -> 'content_retention_days') = 'number' AND NOT EXISTS (
    SELECT FROM factory.jobs AS other
    WHERE other.after @> ARRAY[job.id] AND other.after <> '{}'
        AND other.state IN ('waiting', 'queued', 'in_progress', 'cancelling')
)
LIMIT $2::integer
