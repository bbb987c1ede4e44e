SELECT job.variant, feedback.label, count(*) AS jobs
FROM factory.feedback AS feedback JOIN factory.jobs AS job ON job.id = feedback.job_id
WHERE feedback.project_id = $1::uuid AND feedback.label IS NOT NULL
    AND feedback.job_id >= $3::uuid AND feedback.job_id < $4::uuid
    AND job.project_id = $1::uuid AND job.variant IS NOT NULL
    AND EXISTS (
        SELECT FROM factory.calls AS call
        WHERE call.project_id = $1::uuid AND call.alias = $2::text AND call.variant IS NOT NULL
            AND call.job_id = feedback.job_id
    )
GROUP BY job.variant, feedback.label
ORDER BY jobs DESC, feedback.label, job.variant
LIMIT 200
