UPDATE factory.webhook_deliveries AS delivery SET
    attempts = 0, next_at = coalesce($3::timestamptz, now()), delivered_at = NULL, failed_at = NULL, leased_until = NULL
WHERE delivery.id = $1::uuid AND delivery.project_id = $2::uuid
    AND (delivery.leased_until IS NULL OR delivery.leased_until <= coalesce($3::timestamptz, now()))
RETURNING
    id, endpoint_id, job_id, batch_id, type, url, attempts, log, last_status, next_at, delivered_at, failed_at, created_at
