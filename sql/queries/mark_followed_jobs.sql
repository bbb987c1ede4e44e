SELECT
    job.id, job.seq,
    (SELECT count(*) FROM factory.calls AS call WHERE call.job_id = job.id AND call.outcome IS NOT NULL) AS calls
FROM factory.jobs AS job
WHERE job.id = ANY ($1::uuid[])
