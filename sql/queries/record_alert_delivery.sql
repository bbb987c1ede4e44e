UPDATE factory.alert_deliveries SET
    attempts = attempts + 1,
    last_status = $3::integer,
    last_error = $4::text,
    next_at = coalesce($5::timestamptz, next_at),
    over_at = CASE WHEN $5::timestamptz IS NULL THEN $6::timestamptz END,
    leased_until = NULL
WHERE id = $1::uuid AND leased_until = $2::timestamptz AND over_at IS NULL
