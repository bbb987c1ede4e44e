SELECT
    id, endpoint_id, job_id, batch_id, type, url, attempts, log, last_status, next_at, delivered_at, failed_at, created_at
FROM factory.webhook_deliveries
WHERE project_id = $1::uuid
    AND ($2::uuid IS NULL OR endpoint_id = $2::uuid)
    AND ($3::uuid IS NULL OR job_id = $3::uuid)
    AND ($4::text IS NULL OR CASE
        WHEN delivered_at IS NOT NULL THEN 'delivered' WHEN failed_at IS NOT NULL THEN 'failed' ELSE 'pending'
    END = $4::text)
    AND ($5::uuid IS NULL OR id < $5::uuid)
ORDER BY id DESC
LIMIT $6::integer
