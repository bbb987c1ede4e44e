WITH due AS (
    SELECT id FROM factory.alert_deliveries
    WHERE over_at IS NULL AND next_at <= coalesce($3::timestamptz, now())
        AND created_at > coalesce($3::timestamptz, now()) - interval '1 day'
        AND (leased_until IS NULL OR leased_until <= coalesce($3::timestamptz, now()))
    ORDER BY next_at
    LIMIT $1::integer
    FOR UPDATE SKIP LOCKED
)
UPDATE factory.alert_deliveries AS delivery SET leased_until = coalesce($3::timestamptz, now()) + $2::interval
FROM due, factory.alerts AS alert
WHERE delivery.id = due.id AND alert.id = delivery.alert_id
RETURNING
    delivery.id, delivery.type, delivery.attempts, delivery.leased_until, alert.id AS alert_id, alert.kind,
    alert.subject, alert.message, alert.raised_at, alert.last_at, alert.times, alert.resolved_at
