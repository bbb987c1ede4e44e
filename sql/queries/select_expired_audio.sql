SELECT job.id
FROM factory.jobs AS job JOIN factory.projects AS project ON project.id = job.project_id
WHERE job.kind = 'speech' AND job.finished_at IS NOT NULL AND job.audio_expired_at IS NULL
    AND jsonb_typeof(project.settings -> 'audio_retention_days') IS DISTINCT FROM 'null'
    AND job.finished_at < coalesce($1::timestamptz, now()) - make_interval(
        secs => 86400 * CASE jsonb_typeof(project.settings -> 'audio_retention_days')
            WHEN 'number' THEN (project.settings ->> 'audio_retention_days')::double precision
            ELSE $2::double precision
        END
    )
ORDER BY job.finished_at
LIMIT $3::integer
