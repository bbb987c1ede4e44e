WITH alive AS MATERIALIZED (
    SELECT id FROM factory.jobs WHERE id = ANY ($2::uuid[]) AND state IN ('in_progress', 'cancelling')
    ORDER BY id FOR SHARE SKIP LOCKED
)
UPDATE factory.jobs AS job SET waits_for = NULL, seq = job.seq + 1, queued_at = now()
WHERE job.id = ANY ($1::uuid[]) AND job.state = 'queued' AND job.waits_for IS NOT NULL
    AND NOT EXISTS (SELECT FROM alive WHERE alive.id = job.waits_for)
RETURNING job.id
