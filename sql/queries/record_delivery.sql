UPDATE factory.webhook_deliveries SET
    attempts = attempts + 1,
    log = log || $3::jsonb,
    last_status = $4::integer,
    next_at = coalesce($6::timestamptz, next_at),
    delivered_at = CASE WHEN $5::text = 'delivered' THEN $7::timestamptz END,
    failed_at = CASE WHEN $5::text = 'failed' THEN $7::timestamptz END,
    leased_until = NULL
WHERE id = $1::uuid AND leased_until = $2::timestamptz AND delivered_at IS NULL AND failed_at IS NULL
RETURNING id
