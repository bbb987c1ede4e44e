SELECT
    drawn.variant, job.state,
    extract(epoch FROM job.finished_at - job.started_at)::double precision AS took_s,
    job.cost, (job.provider || '/' || job.model) AS answered_by,
    job.request -> 'response_format' ->> 'type' = 'json_schema' AS with_schema,
    drawn.calls, drawn.failed_calls, drawn.valid, drawn.mended, drawn.invalid,
    feedback.score, feedback.label
FROM (
    SELECT
        call.job_id, min(call.variant) AS variant, count(*) AS calls,
        count(*) FILTER (WHERE call.outcome <> 'ok') AS failed_calls,
        count(*) FILTER (WHERE call.schema_outcome = 'valid') AS valid,
        count(*) FILTER (WHERE call.schema_outcome = 'mended') AS mended,
        count(*) FILTER (WHERE call.schema_outcome = 'invalid') AS invalid
    FROM factory.calls AS call
    WHERE call.project_id = $1::uuid AND call.alias = $2::text AND call.variant IS NOT NULL
        AND ($3::timestamptz IS NULL OR call.started_at >= $3::timestamptz)
        AND ($4::timestamptz IS NULL OR call.started_at < $4::timestamptz)
    GROUP BY call.job_id
) AS drawn
JOIN factory.jobs AS job ON job.id = drawn.job_id
LEFT JOIN factory.feedback AS feedback ON feedback.job_id = drawn.job_id
