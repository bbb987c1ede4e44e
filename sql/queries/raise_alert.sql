INSERT INTO factory.alerts (kind, subject, message) VALUES ($1, $2, $3)
ON CONFLICT (subject, kind) WHERE resolved_at IS NULL
DO UPDATE SET message = EXCLUDED.message, last_at = now(), times = alerts.times + 1
