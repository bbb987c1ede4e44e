UPDATE factory.alerts SET resolved_at = now()
WHERE kind = $1 AND subject = $2 AND resolved_at IS NULL AND last_at < coalesce($3::timestamptz, 'infinity')
