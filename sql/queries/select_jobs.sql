SELECT
    job.id, job.project_id, job.batch_id, job.line, job.key, job.state, job.kind, job.priority, job.request,
    job.attempts, job.seq, job.result, job.error, job.provider, job.model, job.cost, job.uncertain_cost,
    job.metadata, job.created_at, job.started_at, job.finished_at, job.run_at, job.deadline,
    feedback.score AS feedback_score, feedback.label AS feedback_label, job.audio_expired_at, job.content_deleted_at
FROM factory.jobs AS job LEFT JOIN factory.feedback AS feedback ON feedback.job_id = job.id
WHERE job.project_id = $1::uuid
    AND ($2::uuid IS NULL OR job.id < $2::uuid)
    AND ($3::text IS NULL OR job.state = $3::text)
    AND ($4::text IS NULL OR job.kind = $4::text)
    AND ($5::uuid IS NULL OR job.batch_id = $5::uuid)
    AND ($6::text IS NULL OR job.key = $6::text)
    AND ($7::text IS NULL OR job.request ->> 'model' = $7::text)
    AND job.created_at >= coalesce($8::timestamptz, '-infinity')
    AND job.created_at < coalesce($9::timestamptz, 'infinity')
    AND ($10::jsonb IS NULL OR job.metadata @> $10::jsonb)
ORDER BY job.id DESC
LIMIT $11::integer
