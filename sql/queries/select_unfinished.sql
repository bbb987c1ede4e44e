SELECT
    job.id, job.line, job.key, job.request,
    job.content_deleted_at IS NOT NULL OR EXISTS (
        SELECT FROM factory.jobs AS ancestor
        WHERE ancestor.id = ANY (job.after) AND ancestor.content_deleted_at IS NOT NULL
    ) AS deleted,
    ARRAY(
        SELECT ancestor.id FROM factory.jobs AS ancestor
        WHERE ancestor.id = ANY (job.after) AND ancestor.state = 'completed' ORDER BY ancestor.line
    ) AS kept,
    ARRAY(
        SELECT ancestor.line FROM factory.jobs AS ancestor
        WHERE ancestor.id = ANY (job.after) AND ancestor.state <> 'completed' ORDER BY ancestor.line
    ) AS again
FROM factory.jobs AS job
WHERE job.batch_id = $1::uuid AND job.line > $2::integer AND job.state IN ('failed', 'cancelled', 'expired')
ORDER BY job.line
LIMIT $3::integer
