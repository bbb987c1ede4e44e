SELECT
    job.id, job.project_id, job.batch_id, job.line, job.key, job.state, job.kind, job.priority, job.request,
    job.attempts, job.seq, job.result, job.error, job.provider, job.model, job.cost, job.uncertain_cost,
    job.metadata, job.created_at, job.started_at, job.finished_at, job.run_at, job.deadline,
    feedback.score AS feedback_score, feedback.label AS feedback_label, job.audio_expired_at, job.after,
    job.content_deleted_at
FROM factory.jobs AS job LEFT JOIN factory.feedback AS feedback ON feedback.job_id = job.id
WHERE job.id = ANY ($1::uuid[])
