UPDATE factory.webhook_deliveries SET next_at = $3::timestamptz, leased_until = NULL
WHERE id = $1::uuid AND leased_until = $2::timestamptz
