SELECT
    wanted.variant,
    percentile_disc(wanted.places) WITHIN GROUP (
        ORDER BY extract(epoch FROM job.finished_at - job.started_at)::double precision
    ) AS took_s
FROM jsonb_to_recordset($5::jsonb) AS wanted (variant text, places double precision[])
JOIN factory.jobs AS job ON job.variant = wanted.variant
WHERE job.project_id = $1::uuid AND job.variant IS NOT NULL AND job.id >= $3::uuid AND job.id < $4::uuid
    AND job.state = 'completed' AND job.started_at IS NOT NULL
    AND EXISTS (
        SELECT FROM factory.calls AS call
        WHERE call.project_id = $1::uuid AND call.alias = $2::text AND call.variant IS NOT NULL
            AND call.job_id >= $3::uuid AND call.job_id < $4::uuid AND call.job_id = job.id
    )
GROUP BY wanted.variant, wanted.places
