SELECT id, kind, subject, message, raised_at, last_at, times, resolved_at
FROM factory.alerts
WHERE $1::boolean OR resolved_at IS NULL
ORDER BY id DESC
LIMIT 500
