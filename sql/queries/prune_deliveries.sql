DELETE FROM factory.webhook_deliveries WHERE id IN (
    SELECT id FROM factory.webhook_deliveries
    WHERE (delivered_at IS NOT NULL OR failed_at IS NOT NULL) AND created_at < $1::timestamptz
    ORDER BY created_at LIMIT $2::integer FOR UPDATE SKIP LOCKED
)
RETURNING id
