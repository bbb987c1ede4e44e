SELECT
    job.id, job.project_id, job.batch_id, job.line, job.key, job.state, job.kind, job.priority, job.request,
    job.attempts, job.seq, job.result, job.error, job.provider, job.model, job.cost, job.uncertain_cost,
    job.metadata, job.created_at, job.started_at, job.finished_at, job.run_at, job.deadline,
    feedback.score AS feedback_score, feedback.label AS feedback_label, job.audio_expired_at, job.content_deleted_at
FROM factory.jobs AS job LEFT JOIN factory.feedback AS feedback ON feedback.job_id = job.id
WHERE job.batch_id = $1::uuid AND job.project_id = $2::uuid AND job.line > $3::integer
    AND job.line <= $4::integer
ORDER BY job.line
