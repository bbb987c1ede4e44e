SELECT
    job.id, job.state, job.attempts, job.lost_leases, job.error,
    (SELECT count(*) FROM factory.calls AS call WHERE call.job_id = job.id AND call.outcome = 'ok') AS paid
FROM factory.jobs AS job
