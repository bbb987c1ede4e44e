WITH looked_at AS (
    SELECT id, batch_id FROM factory.webhook_batch_checks ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM factory.webhook_batch_checks AS checked USING looked_at WHERE checked.id = looked_at.id
), over AS (
    UPDATE factory.batches AS batch SET told_at = coalesce($1::timestamptz, now())
    WHERE batch.id IN (SELECT batch_id FROM looked_at) AND batch.told_at IS NULL AND (
        SELECT job.id FROM factory.jobs AS job
        WHERE job.batch_id = batch.id AND job.finished_at IS NULL ORDER BY job.line DESC LIMIT 1
    ) IS NULL
    RETURNING batch.id, batch.project_id
), listening AS (
    SELECT hook.id, hook.project_id, hook.url FROM factory.webhook_endpoints AS hook
    WHERE hook.active AND 'batch.completed' = ANY (hook.events) AND hook.project_id IN (SELECT project_id FROM over)
    ORDER BY hook.id FOR KEY SHARE
)
INSERT INTO factory.webhook_deliveries (id, project_id, endpoint_id, batch_id, type, url)
SELECT factory.new_id(), over.project_id, hook.id, over.id, 'batch.completed', hook.url
FROM over JOIN listening AS hook USING (project_id)
RETURNING id
